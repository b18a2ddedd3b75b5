use quickcheck::Gen;

use super::{CreateMode, MultiOp, MultiReadOp, MultiResult};
use crate::sample::Sample;

impl Sample for MultiOp {
    fn sample(g: &mut Gen) -> Self {
        let mut mode = |modes: &[CreateMode]| g.choose(modes).map_or(0, |mode| mode.flags());
        let plain = mode(&[CreateMode::Persistent, CreateMode::EphemeralSequential]);
        let ttl = mode(&[CreateMode::PersistentWithTtl]);
        let mut op = match u8::sample(g) % 7 {
            0 => Self::Create(Sample::sample(g)),
            1 => Self::Delete(Sample::sample(g)),
            2 => Self::SetData(Sample::sample(g)),
            3 => Self::Check(Sample::sample(g)),
            4 => Self::Create2(Sample::sample(g)),
            5 => Self::CreateContainer(Sample::sample(g)),
            _ => Self::CreateTtl(Sample::sample(g)),
        };
        match &mut op {
            Self::Create(create) | Self::Create2(create) => create.flags = plain,
            Self::CreateContainer(create) => create.flags = CreateMode::Container.flags(),
            Self::CreateTtl(create) => create.flags = ttl,
            Self::Delete(_) | Self::SetData(_) | Self::Check(_) => {}
        }
        op
    }
}

impl Sample for MultiReadOp {
    fn sample(g: &mut Gen) -> Self {
        if bool::sample(g) {
            Self::GetData(Sample::sample(g))
        } else {
            Self::GetChildren(Sample::sample(g))
        }
    }
}

impl Sample for MultiResult {
    fn sample(g: &mut Gen) -> Self {
        match u8::sample(g) % 8 {
            0 => Self::Create(Sample::sample(g)),
            1 => Self::Create2(Sample::sample(g)),
            2 => Self::Delete,
            3 => Self::SetData(Sample::sample(g)),
            4 => Self::Check,
            5 => Self::GetData(Sample::sample(g)),
            6 => Self::GetChildren(Sample::sample(g)),
            _ => Self::Error(Sample::sample(g)),
        }
    }
}
