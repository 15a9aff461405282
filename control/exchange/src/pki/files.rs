use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::der::pem::{LineEnding, decode_vec, encode_string};
use zeroize::Zeroizing;

use super::{Key, PkiError};
use crate::primitive::Backend;
use crate::secret::Secret;

/// One block of a PEM file (RFC 7468).
pub(super) enum Block {
    Key(Secret),
    Certificate(CertificateDer<'static>),
    List(CertificateRevocationListDer<'static>),
}

/// What a file may have at most: a chain signed by SLH-DSA has some 100 kB.
const MAX_FILE: u64 = 1 << 20;

/// Reads every block of a file. One with a private key must be its owner's alone.
pub(super) fn read(path: &Path) -> Result<Vec<Block>, PkiError> {
    let content = |what| PkiError::Content { path: path.to_owned(), what };
    let unread = |error| PkiError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if metadata.len() > MAX_FILE {
        return Err(content("too large"));
    }
    // Room for all of it, so that reading leaves no copy behind in a smaller buffer.
    let room = usize::try_from(metadata.len()).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(unread)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| content("not a PEM file"))?;
    let mut blocks = Vec::new();
    for block in sections(text) {
        blocks.push(block_of(block).ok_or_else(|| content("a damaged PEM block"))?);
    }
    if blocks.is_empty() {
        return Err(content("not a PEM file"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 && blocks.iter().any(|block| matches!(block, Block::Key(_))) {
        return Err(PkiError::Readable { path: path.to_owned(), mode });
    }
    Ok(blocks)
}

/// The blocks of a text, each from its first line to its last.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, block) = rest.split_at_checked(rest.find("-----BEGIN ")?)?;
        let end = block.find("-----END ")?;
        let length = block.get(end..)?.find('\n').map_or(block.len(), |line| end + line + 1);
        let (block, after) = block.split_at_checked(length)?;
        rest = after;
        Some(block)
    })
}

fn block_of(text: &str) -> Option<Block> {
    let (label, bytes) = decode_vec(text.as_bytes()).ok()?;
    match label {
        "PRIVATE KEY" => Some(Block::Key(bytes.into())),
        "CERTIFICATE" => Some(Block::Certificate(bytes.into())),
        "X509 CRL" => Some(Block::List(bytes.into())),
        _ => {
            drop(Secret::from(bytes));
            None
        }
    }
}

/// The certificates of a file, in its order.
///
/// # Errors
///
/// [`PkiError::Read`], or [`PkiError::Content`] where there is none.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let blocks = read(path)?.into_iter();
    let found: Vec<_> = blocks
        .filter_map(|block| if let Block::Certificate(der) = block { Some(der) } else { None })
        .collect();
    if found.is_empty() {
        return Err(PkiError::Content { path: path.to_owned(), what: "holds no certificate" });
    }
    Ok(found)
}

/// The revocation lists of a file.
///
/// # Errors
///
/// [`PkiError::Read`], or [`PkiError::Content`] where there is none.
pub fn read_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    let blocks = read(path)?.into_iter();
    let found: Vec<_> =
        blocks.filter_map(|block| if let Block::List(der) = block { Some(der) } else { None }).collect();
    if found.is_empty() {
        return Err(PkiError::Content { path: path.to_owned(), what: "holds no revocation list" });
    }
    Ok(found)
}

/// The first private key of a file.
///
/// # Errors
///
/// [`PkiError::Read`], [`PkiError::Readable`], [`PkiError::Key`], or [`PkiError::Content`] where there is none.
pub fn read_key(path: &Path, backend: Backend) -> Result<Key, PkiError> {
    let found =
        read(path)?.into_iter().find_map(|block| if let Block::Key(key) = block { Some(key) } else { None });
    Key::from_pkcs8(
        found.ok_or(PkiError::Content { path: path.to_owned(), what: "holds no private key" })?,
        backend,
    )
}

/// Text of blocks, wiped after use since it may hold private keys.
pub(super) fn text(blocks: &[Block]) -> Result<Zeroizing<String>, PkiError> {
    let mut pieces = Vec::new();
    for block in blocks {
        let (label, bytes) = match block {
            Block::Key(key) => ("PRIVATE KEY", key.expose()),
            Block::Certificate(der) => ("CERTIFICATE", der.as_ref()),
            Block::List(der) => ("X509 CRL", der.as_ref()),
        };
        let piece = encode_string(label, LineEnding::LF, bytes).map_err(x509_cert::der::Error::from)?;
        pieces.push(Zeroizing::new(piece));
    }
    let mut whole = Zeroizing::new(String::with_capacity(pieces.iter().map(|piece| piece.len()).sum()));
    pieces.iter().for_each(|piece| whole.push_str(piece));
    Ok(whole)
}

/// Who may read a file.
#[derive(Clone, Copy)]
pub(super) enum Readers {
    Owner,
    Everybody,
}

/// What happens to a file that is there.
#[derive(Clone, Copy)]
pub(super) enum Present {
    Refuse,
    Replace,
}

/// Writes a file whole or not at all: beside its place, then renamed into it.
pub(super) fn write(path: &Path, text: &str, readers: Readers, present: Present) -> Result<(), PkiError> {
    let unwritten = |error| PkiError::Write { path: path.to_owned(), error };
    let beside = beside(path);
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    let result = write_new(&beside, text, mode).and_then(|()| match present {
        Present::Replace => fs::rename(&beside, path),
        Present::Refuse => {
            renameat_with(CWD, &beside, CWD, path, RenameFlags::NOREPLACE).map_err(io::Error::from)
        }
    });
    match result {
        Ok(()) => sync_folder(path).map_err(unwritten),
        Err(error) => {
            // What could not be put in place is of no use, and may be a key.
            let _ = fs::remove_file(&beside);
            match error.kind() {
                io::ErrorKind::AlreadyExists => Err(PkiError::Exists { path: path.to_owned() }),
                _ => Err(unwritten(error)),
            }
        }
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // A leftover of a run that was killed.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    name.into()
}
