use super::*;

/// Writes, names and syncs in an order that numbers choose.
fn work(disk: &SimDisk, mut number: u64) {
    let path = |n: u64| PathBuf::from(format!("/d/{n}"));
    for step in 0..60 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
        let (of, what) = (number >> 33 & 3, number >> 40 & 7);
        // What cannot be done has no effect.
        let _ = match what {
            0 => disk.create_new(&path(of)).map(drop),
            1 => disk.rename(&path(of), &path(3 - of)),
            2 => disk.remove(&path(of)),
            3 => disk.sync_dir(Path::new("/d")),
            4 => disk.open(&path(of)).and_then(|mut file| file.sync()),
            5 => disk.open(&path(of)).and_then(|mut file| file.set_len(number >> 50 & 63)),
            _ => disk
                .open(&path(of))
                .and_then(|mut file| file.write_all_at(&number.to_le_bytes(), number >> 50 & 63)),
        };
    }
}

#[test]
fn what_is_forgotten_is_durable_and_a_crash_leaves_the_same() {
    for seed in 0..200 {
        let base = Image::from([(PathBuf::from("/d/0"), vec![1, 2, 3])]);
        let [all, few] = [SimDisk::booted(base.clone(), 0), SimDisk::forgetting(base, 0)];
        work(&all, seed);
        work(&few, seed);
        assert_eq!(all.ops(), few.ops());
        assert_eq!(all.image(), few.image());
        let crash = |disk: &SimDisk| {
            let mut number = seed;
            disk.crash(&mut |below| {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(number >> 33).unwrap_or(0) % below
            })
        };
        assert_eq!(crash(&all), crash(&few), "{seed}");
        assert!(lock(&few.world).ops.len() < lock(&all.world).ops.len());
    }
}

#[test]
fn the_contents_of_removed_files_are_freed_once_no_crash_and_nobody_has_them() {
    let (dir, path, disk) =
        (Path::new("/d"), Path::new("/d/f"), SimDisk::forgetting(Image::new(), 0));
    let held = || lock(&disk.world).inodes.iter().map(Vec::len).sum::<usize>();
    let mut open = disk.create_new(path).expect("a name");
    open.write_all_at(&[7; 1000], 0).expect("written");
    open.sync().expect("synced");
    disk.sync_dir(dir).expect("synced");
    disk.remove(path).expect("a file");
    assert_eq!(held(), 1000, "a crash may leave it");
    disk.sync_dir(dir).expect("synced");
    let mut read = [0; 1000];
    assert_eq!((open.read_at(&mut read, 0).expect("read"), read), (1000, [7; 1000]), "open");
    drop(open);
    disk.sync_dir(dir).expect("synced");
    assert_eq!(held(), 0);
}
