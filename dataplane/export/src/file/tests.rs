//! Files as a user's disk and a user's tools treat them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;
use crate::Sink;

/// A line of so many bytes, its line feed included, that starts with its number.
fn put(sink: &mut Sink, number: u32, bytes: usize) -> Result<(), crate::ExportError> {
    let line = format!("{number:08}{}\n", "x".repeat(bytes.saturating_sub(9)));
    sink.buffer().extend_from_slice(line.as_bytes());
    sink.line_ended()
}

/// Every line of the rotated files and of the file itself, in the order they were written.
fn written(path: &Path) -> Vec<u32> {
    let (rotated, _) = rotated::list(path).unwrap();
    let mut text = String::new();
    for one in rotated {
        let mut file = File::open(&one.path).unwrap();
        if one.is_compressed {
            zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        } else {
            file.read_to_string(&mut text).unwrap();
        }
    }
    text.push_str(&fs::read_to_string(path).unwrap());
    text.lines().map(|line| line[..8].parse().unwrap()).collect()
}

fn rotated_files(path: &Path) -> Vec<rotated::Rotated> {
    rotated::list(path).unwrap().0
}

#[expect(clippy::disallowed_methods, reason = "a test waits for another thread")]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "not {what}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_is_ended_by_its_size_and_no_line_is_lost_or_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let rotation = Rotation { size: Some(1 << 20), ..Rotation::default() };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    sink.tend(1_795_274_553).unwrap();
    (0..10_000).for_each(|number| put(&mut sink, number, 500).unwrap());
    sink.drain().unwrap();
    assert_eq!(written(&path), (0..10_000).collect::<Vec<_>>());
    let rotated = rotated_files(&path);
    assert_eq!((rotated.len(), sink.file_tally().rotations), (4, 4));
    // A buffer more than asked for, at most.
    assert!(rotated.iter().all(|one| (1 << 20..(1 << 20) + (200 << 10)).contains(&one.bytes)), "{rotated:?}");
    assert_eq!(fs::metadata(&rotated[0].path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_file_is_ended_at_its_time_but_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let rotation = Rotation { every_s: Some(3600), ..Rotation::default() };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    sink.tend(7_000).unwrap();
    put(&mut sink, 1, 20).unwrap();
    sink.tend(7_199).unwrap();
    assert_eq!(sink.file_tally().rotations, 0, "the hour is not over");
    sink.tend(7_200).unwrap();
    assert_eq!(sink.file_tally().rotations, 1);
    sink.tend(20_000).unwrap();
    assert_eq!(sink.file_tally().rotations, 1, "nothing is in it");
    put(&mut sink, 2, 20).unwrap();
    sink.tend(20_001).unwrap();
    // The clock is set back by an hour: one file more, and nothing lost.
    sink.tend(16_401).unwrap();
    put(&mut sink, 3, 20).unwrap();
    sink.drain().unwrap();
    assert_eq!(sink.file_tally().rotations, 2);
    assert_eq!(written(&path), [1, 2, 3]);
    drop(sink);
    // A restart the day after: what the last run wrote is a file of its own.
    let written_at = fs::metadata(&path).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    sink.tend(written_at.as_secs() + 86_400).unwrap();
    assert_eq!(sink.file_tally().rotations, 1);
    assert_eq!(written(&path), [1, 2, 3]);
}

#[test]
fn a_rotation_that_failed_is_tried_again_soon_whatever_the_clock_is_set_to() {
    for jump in [-7_200_i64, 3_600] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        let rotation = Rotation { every_s: Some(3600), ..Rotation::default() };
        let mut sink = Sink::rotating(&path, &rotation).unwrap();
        sink.tend(10_799).unwrap();
        put(&mut sink, 1, 20).unwrap();
        sink.drain().unwrap();
        // Nothing can be moved there.
        fs::create_dir(rotated::name(&path, 10_800, 1)).unwrap();
        assert!(sink.tend(10_800).is_err());
        let set_to = 10_800_u64.wrapping_add_signed(jump);
        sink.tend(set_to).unwrap();
        sink.tend(set_to + AGAIN_S).unwrap();
        let tally = sink.file_tally();
        assert_eq!((tally.rotations, tally.errors), (1, 1), "the clock was set by {jump} s");
        assert_eq!(written(&path), [1]);
    }
}

#[test]
fn only_so_many_files_and_bytes_are_kept_and_those_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    fs::write(folder.path().join("eve.json.mine"), "a file of somebody else").unwrap();
    // Half a file of a run that was killed.
    fs::write(rotated::with_end(&rotated::name(&path, 1, 1), rotated::UNFINISHED), "half").unwrap();
    let rotation = Rotation {
        size: Some(64 << 10),
        keep_files: Some(3),
        compression: Compression::Zstd,
        ..Rotation::default()
    };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    for number in 0..600 {
        put(&mut sink, number, 1000).unwrap();
        sink.tend(u64::from(number)).unwrap();
    }
    let is_done = || {
        let files = rotated_files(&path);
        files.len() == 3 && files.iter().all(|one| one.is_compressed)
    };
    until("compressed", is_done);
    let lines = written(&path);
    assert_eq!(lines.last(), Some(&599));
    assert!(lines.is_sorted() && lines.len() < 600, "the oldest went");
    let tally = sink.file_tally();
    assert_eq!(tally.rotations, tally.removed_files + 3);
    assert!(folder.path().join("eve.json.mine").exists());
    assert!(rotated::list(&path).unwrap().1.is_empty(), "nothing unfinished is left");
    drop(sink);
    let rotation = Rotation { keep_bytes: Some(1), ..rotation };
    let _sink = Sink::rotating(&path, &rotation).unwrap();
    until("thinned out at a start", || rotated_files(&path).is_empty());
}

#[test]
fn a_file_that_somebody_moved_is_opened_anew_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let moved = folder.path().join("eve.json.1");
    let mut sink = Sink::rotating(&path, &Rotation::default()).unwrap();
    put(&mut sink, 1, 20).unwrap();
    sink.drain().unwrap();
    fs::rename(&path, &moved).unwrap();
    put(&mut sink, 2, 20).unwrap();
    sink.drain().unwrap();
    put(&mut sink, 3, 20).unwrap();
    sink.reopen().unwrap();
    put(&mut sink, 4, 20).unwrap();
    sink.drain().unwrap();
    assert_eq!(fs::read_to_string(&moved).unwrap().lines().count(), 3, "all that was written before");
    assert_eq!(written(&path), [4]);
    assert_eq!(sink.file_tally().reopened, 1);
    // Moved, and nobody says so: it is seen.
    fs::rename(&path, &moved).unwrap();
    put(&mut sink, 5, 20).unwrap();
    sink.tend(1).unwrap();
    assert_eq!(sink.file_tally().reopened, 2);
    assert_eq!(
        fs::read_to_string(&moved).unwrap().lines().count(),
        2,
        "what was there before goes to where it was"
    );
    // Removed without a word: nobody would ever see what goes there.
    fs::remove_file(&path).unwrap();
    sink.tend(2).unwrap();
    put(&mut sink, 5, 20).unwrap();
    sink.drain().unwrap();
    assert_eq!(written(&path), [5]);
    // Copied and emptied: lines go on at the start.
    File::create(&path).unwrap();
    put(&mut sink, 6, 20).unwrap();
    sink.drain().unwrap();
    assert_eq!(written(&path), [6]);
    // The folder is gone: the old file is kept, and the failure told.
    fs::remove_dir_all(folder.path()).unwrap();
    let error = sink.reopen().unwrap_err();
    assert!(error.to_string().contains("cannot begin another file"), "{error}");
    assert_eq!(sink.file_tally().errors, 1);
}

#[test]
fn what_is_no_file_is_neither_moved_nor_cut() {
    let rotation = Rotation { size: Some(1), every_s: Some(1), ..Rotation::default() };
    let mut sink = Sink::rotating(Path::new("/dev/null"), &rotation).unwrap();
    for number in 0..100 {
        put(&mut sink, number, 1000).unwrap();
        sink.tend(u64::from(number)).unwrap();
        sink.reopen().unwrap();
    }
    assert_eq!(sink.file_tally(), FileTally::default());
    assert!(Path::new("/dev/null").exists());
}

/// A disk of its own, as small as asked for; none where this user may not mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, options: &str) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(done) if done.status.success() => Some(Self(folder.to_owned())),
            other => {
                eprintln!("SKIPPED: cannot mount a small disk: {other:?}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_takes_the_oldest_files_and_the_latest_lines_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path(), "size=2m") else { return };
    let path = folder.path().join("eve.json");
    let rotation = Rotation { size: Some(256 << 10), ..Rotation::default() };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    for number in 0..20_000 {
        put(&mut sink, number, 500).unwrap();
        if number % 1000 == 0 {
            sink.tend(u64::from(number)).unwrap();
        }
    }
    sink.drain().unwrap();
    let (lines, tally) = (written(&path), sink.file_tally());
    assert!(tally.shed_files > 20 && tally.shed_bytes > 5_000_000, "{tally:?}");
    assert_eq!(sink.tally().lost_lines, 0);
    // Without a gap from the oldest that is left to the last.
    let first = *lines.first().unwrap();
    assert_eq!(lines, (first..20_000).collect::<Vec<_>>());
    assert!(lines.len() > 2000, "{}", lines.len());
}

#[test]
fn on_a_disk_filled_by_others_lines_are_lost_counted_and_whole_and_go_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path(), "size=1m") else { return };
    let path = folder.path().join("eve.json");
    let mut sink = Sink::rotating(&path, &Rotation { size: Some(1 << 30), ..Rotation::default() }).unwrap();
    let filler = folder.path().join("filler");
    fs::write(&filler, vec![0; 600 << 10]).unwrap();
    let told = (0..2000).filter(|number| put(&mut sink, *number, 1001).is_err()).count();
    assert_eq!(told, 1, "a lasting failure is told once");
    let _ = sink.drain();
    let lost = sink.tally().lost_lines;
    assert!(lost > 1000 && sink.tally().lines + lost == 2000, "{:?}", sink.tally());
    fs::remove_file(filler).unwrap();
    put(&mut sink, 2000, 1001).unwrap();
    sink.drain().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().all(|line| line.len() == 1000), "every line is whole");
    assert!(text.lines().last().unwrap().starts_with("00002000"));
    assert_eq!(text.lines().count() as u64, sink.tally().lines);
    assert_eq!(text.len() as u64, sink.tally().bytes);
}

#[test]
fn where_new_lines_are_to_be_lost_no_file_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path(), "size=1m") else { return };
    let path = folder.path().join("eve.json");
    let rotation = Rotation { size: Some(128 << 10), when_full: WhenFull::LoseNew, ..Rotation::default() };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    let _ = (0..4000).map(|number| put(&mut sink, number, 500)).filter(Result::is_err).count();
    assert!(sink.tally().lost_lines > 0);
    assert_eq!((sink.file_tally().shed_files, written(&path)[0]), (0, 0));
}

#[test]
fn a_read_only_disk_is_told_at_once_and_written_when_it_is_writable() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), "size=1m") else { return };
    let path = folder.path().join("eve.json");
    let rotation = Rotation { every_s: Some(10), ..Rotation::default() };
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    put(&mut sink, 1, 100).unwrap();
    sink.tend(5).unwrap();
    drop(sink);
    disk.remount("ro");
    assert!(Sink::rotating(&path, &rotation).is_err(), "one that cannot be written is told at once");
    disk.remount("rw");
    let mut sink = Sink::rotating(&path, &rotation).unwrap();
    sink.tend(5).unwrap();
    put(&mut sink, 2, 100).unwrap();
    sink.drain().unwrap();
    sink.tend(15).unwrap();
    assert_eq!(written(&path).len(), 2, "nothing is lost");
    assert!(sink.tally().lost_lines == 0 && sink.file_tally().rotations >= 1);
}
