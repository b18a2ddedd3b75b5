//! Paths below a node that the client takes for the root (chroot).

use wire::client::{MultiOp, MultiReadOp, MultiResult, Request, Response};

/// A path as servers know it.
fn down(root: &str, path: &mut String) {
    if root.is_empty() {
        return;
    }
    if path == "/" {
        path.clear();
    }
    path.insert_str(0, root);
}

/// A path as the client knows it. One that is elsewhere stays as it is.
pub(crate) fn up(root: &str, path: &mut String) {
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    if root.is_empty() || !path.strip_prefix(root).is_some_and(is_below) {
        return;
    }
    path.drain(..root.len());
    if path.is_empty() {
        path.push('/');
    }
}

/// A request as servers are to be asked.
pub(crate) fn ask(root: &str, request: &mut Request) {
    match request {
        Request::Create(it) | Request::Create2(it) | Request::CreateContainer(it) => {
            down(root, &mut it.path);
        }
        Request::CreateTtl(it) => down(root, &mut it.path),
        Request::Delete(it) => down(root, &mut it.path),
        Request::SetData(it) => down(root, &mut it.path),
        Request::SetAcl(it) => down(root, &mut it.path),
        Request::Check(it) => down(root, &mut it.path),
        Request::AddWatch(it) => down(root, &mut it.path),
        Request::CheckWatches(it) | Request::RemoveWatches(it) => down(root, &mut it.path),
        // The configuration of the ensemble is at one place for everybody.
        Request::GetData(it) if it.path == "/zookeeper/config" => {}
        Request::Exists(it)
        | Request::GetData(it)
        | Request::GetChildren(it)
        | Request::GetChildren2(it) => down(root, &mut it.path),
        Request::GetAcl(it)
        | Request::Sync(it)
        | Request::DeleteContainer(it)
        | Request::GetEphemerals(it)
        | Request::GetAllChildrenNumber(it) => down(root, &mut it.path),
        Request::Multi(ops) => ops.iter_mut().for_each(|op| match op {
            MultiOp::Create(it) | MultiOp::Create2(it) | MultiOp::CreateContainer(it) => {
                down(root, &mut it.path);
            }
            MultiOp::CreateTtl(it) => down(root, &mut it.path),
            MultiOp::Delete(it) => down(root, &mut it.path),
            MultiOp::SetData(it) => down(root, &mut it.path),
            MultiOp::Check(it) => down(root, &mut it.path),
        }),
        Request::MultiRead(ops) => ops.iter_mut().for_each(|op| match op {
            MultiReadOp::GetData(it) | MultiReadOp::GetChildren(it) => down(root, &mut it.path),
        }),
        Request::Reconfig(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::Ping
        | Request::Sasl(_)
        | Request::WhoAmI
        | Request::CreateSession { .. }
        | Request::CloseSession => {}
    }
}

/// An answer as the client knows its paths. `are_paths`: its names are whole paths.
pub(crate) fn answer(root: &str, response: &mut Response, are_paths: bool) {
    match response {
        Response::Path(path) => up(root, path),
        Response::Create2(created) => up(root, &mut created.path),
        Response::Names(paths) if are_paths => paths.iter_mut().for_each(|path| up(root, path)),
        Response::Multi(results) => results.iter_mut().for_each(|result| match result {
            MultiResult::Create(path) => up(root, path),
            MultiResult::Create2(created) => up(root, &mut created.path),
            MultiResult::Delete
            | MultiResult::Check
            | MultiResult::SetData(_)
            | MultiResult::GetData(_)
            | MultiResult::GetChildren(_)
            | MultiResult::Error(_) => {}
        }),
        Response::Notification(event) => up(root, &mut event.path),
        Response::Empty
        | Response::Stat(_)
        | Response::GetData(_)
        | Response::GetAcl(_)
        | Response::Names(_)
        | Response::GetChildren2(_)
        | Response::Sasl(_)
        | Response::Count(_)
        | Response::Error(_)
        | Response::WhoAmI(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_down_and_come_up_again() {
        for (root, own, theirs) in [
            ("", "/", "/"),
            ("", "/a", "/a"),
            ("/r", "/", "/r"),
            ("/r", "/a/b", "/r/a/b"),
            ("/r/s", "/", "/r/s"),
        ] {
            let mut path = own.to_owned();
            down(root, &mut path);
            assert_eq!(path, theirs);
            up(root, &mut path);
            assert_eq!(path, own);
        }
        let mut elsewhere = "/rest".to_owned();
        up("/r", &mut elsewhere);
        assert_eq!(elsewhere, "/rest");
    }
}
