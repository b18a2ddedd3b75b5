//! Where the expressions are that mutants change.

use std::collections::BTreeMap;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprStruct, ExprUnary};

/// The places of a file, in bytes, each by where cargo-mutants says that the change begins.
#[derive(Default)]
pub(crate) struct Places {
    /// The operation that an operator is of.
    pub(crate) operations: BTreeMap<usize, Operation>,
    /// The literal of a struct that a field is in.
    pub(crate) literals: BTreeMap<usize, Range<usize>>,
    /// The arm of a `match`: by its pattern.
    pub(crate) arms: BTreeMap<usize, PlaceOfArm>,
}

/// An operator with its operands.
pub(crate) struct Operation {
    pub(crate) whole: Range<usize>,
    /// An operand is a `let`: the operation is no expression, but a part of the head of an `if`.
    pub(crate) binds: bool,
}

/// What is of interest in an arm of a `match`.
pub(crate) struct PlaceOfArm {
    pub(crate) pattern_end: usize,
    pub(crate) guard: Option<Range<usize>>,
}

impl Places {
    pub(crate) fn of(source: &str) -> syn::Result<Self> {
        let mut places = Self::default();
        places.visit_file(&syn::parse_file(source)?);
        Ok(places)
    }
}

fn is_let(expr: &Expr) -> bool {
    if let Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) = expr {
        is_let(left) || is_let(right)
    } else {
        matches!(expr, Expr::Let(_))
    }
}

impl Visit<'_> for Places {
    fn visit_expr_binary(&mut self, expr: &ExprBinary) {
        let binds = is_let(&expr.left) || is_let(&expr.right);
        let operation = Operation { whole: expr.span().byte_range(), binds };
        self.operations.insert(expr.op.span().byte_range().start, operation);
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &ExprUnary) {
        let operation = Operation { whole: expr.span().byte_range(), binds: false };
        self.operations.insert(expr.op.span().byte_range().start, operation);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_struct(&mut self, expr: &ExprStruct) {
        for field in &expr.fields {
            self.literals.insert(field.span().byte_range().start, expr.span().byte_range());
        }
        visit::visit_expr_struct(self, expr);
    }

    fn visit_arm(&mut self, arm: &Arm) {
        let pattern = arm.pat.span().byte_range();
        let guard = arm.guard.as_ref().map(|(_, guard)| guard.span().byte_range());
        self.arms.insert(pattern.start, PlaceOfArm { pattern_end: pattern.end, guard });
        visit::visit_arm(self, arm);
    }
}
