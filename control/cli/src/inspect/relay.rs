//! A pipe in front of standard input, so that a read that waits for packets can be ended.
//!
//! A read from a pipe or terminal waits as long as nothing comes, and a signal does not end it. So what comes on
//! standard input goes through a pipe of our own, whose end we can close when a stop is requested: the reader then
//! sees the end of the file, and every open flow is written.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::stop::Stop;

/// Puts the pipe in place of standard input; a regular file needs none.
pub(super) fn standard_input(stop: &Stop) -> io::Result<()> {
    let original = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if original.metadata()?.is_file() {
        return Ok(());
    }
    let (reader, writer) = io::pipe()?;
    rustix::stdio::dup2_stdin(reader)?;
    let writer = Arc::new(Mutex::new(Some(writer)));
    let (to_copy, to_close, stop) = (Arc::clone(&writer), writer, stop.clone());
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        copy(original, &to_copy);
        close(&to_copy);
    })?;
    thread::Builder::new().name("stdin-stop".to_owned()).spawn(move || {
        while !stop.is_requested() {
            thread::sleep(LOOK_EVERY);
        }
        close(&to_close);
    })?;
    Ok(())
}

/// Copies until either end is closed.
fn copy(mut from: File, to: &Mutex<Option<PipeWriter>>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut writer = to.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.as_mut().is_none_or(|writer| writer.write_all(read).is_err()) {
            return;
        }
    }
}

fn close(writer: &Mutex<Option<PipeWriter>>) {
    writer.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// As much as a pipe holds.
const CHUNK: usize = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(50);
