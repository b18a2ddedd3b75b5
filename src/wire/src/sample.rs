//! Arbitrary values of every record, for the laws in the tests.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen, QuickCheck};

/// A value drawn from a generator. [`record!`](crate::jute::record) implements it for records;
/// it is not [`Arbitrary`] because that cannot be implemented for `Option<Bytes>`.
pub(crate) trait Sample: Sized {
    fn sample(g: &mut Gen) -> Self;
}

macro_rules! arbitrary {
    ($($type:ty),*) => {
        $(impl Sample for $type {
            fn sample(g: &mut Gen) -> Self {
                <$type>::arbitrary(g)
            }
        })*
    };
}

arbitrary!(u8, u16, bool, i32, i64, String, Option<String>);

impl Sample for Bytes {
    fn sample(g: &mut Gen) -> Self {
        Vec::arbitrary(g).into()
    }
}

impl Sample for Option<Bytes> {
    fn sample(g: &mut Gen) -> Self {
        bool::arbitrary(g).then(|| Bytes::sample(g))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(g: &mut Gen) -> Self {
        (0..usize::arbitrary(g) % 5).map(|_| T::sample(g)).collect()
    }
}

impl<T: Sample> Sample for Option<Vec<T>> {
    fn sample(g: &mut Gen) -> Self {
        bool::arbitrary(g).then(|| Vec::sample(g))
    }
}

/// Wraps a [`Sample`] so that quickcheck can draw it.
#[derive(Clone, Debug)]
pub(crate) struct Any<T>(pub(crate) T);

impl<T: Sample + Clone + 'static> Arbitrary for Any<T> {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(T::sample(g))
    }
}

/// Checks that `law` holds of 200 values, the same ones on each run.
pub(crate) fn check<T>(law: fn(Any<T>) -> bool)
where
    T: Sample + Clone + std::fmt::Debug + 'static,
{
    QuickCheck::new().tests(200).rng(Gen::from_size_and_seed(24, 1)).quickcheck(law);
}
