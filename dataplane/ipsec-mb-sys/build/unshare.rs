//! Takes one instruction out of libIPSec_MB's AES-256-GCM: each call sets the library's error number to 0, one variable of the
//! whole process. On several cores that is one line of cache which all of them write for every packet.

use std::ops::Range;

use object::LittleEndian;
use object::elf::{FileHeader64, R_X86_64_NONE, R_X86_64_PC32};
use object::read::archive::ArchiveFile;
use object::read::elf::{FileHeader as _, Rela as _, SectionHeader as _, Sym as _};

/// The error number.
const SYMBOL: &[u8] = b"imb_errno";

/// `mov dword [rip + displacement], 0` before the displacement is known (Intel SDM, volume 2, MOV: C7 /0 id).
const STORE: [u8; 10] = [0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0];

/// As many bytes that do nothing (Intel SDM, volume 2, NOP: the recommended sequence of nine, with one more prefix).
const NOTHING: [u8; 10] = [0x66, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];

/// Where the displacement is in [`STORE`], and what the linker adds for the bytes from there to the instruction's end.
const DISPLACEMENT: u64 = 2;
const ADDEND: i64 = -8;

/// Bytes of an entry of a relocation table, and where in it its kind is (System V ABI, 4.4: `Elf64_Rela`).
const ENTRY: u64 = 24;
const KIND: u64 = 8;

/// Changes the members of an archive that hold AES-256-GCM; gives how many stores there were.
///
/// # Errors
/// Why the archive cannot be read. It is as it was.
pub(crate) fn unshare(archive: &mut [u8]) -> Result<usize, object::read::Error> {
    let mut places = Vec::new();
    for member in ArchiveFile::parse(&*archive)?.members() {
        let member = member?;
        let name = String::from_utf8_lossy(member.name());
        if name.contains("gcm256_api") || name.contains("aes256_gcm") && !name.contains("sgl") {
            let (start, _) = member.file_range();
            stores(member.data(&*archive)?, start, &mut places)?;
        }
    }
    for place in &places {
        replace(archive, place.instruction, &NOTHING);
        replace(archive, place.kind, &R_X86_64_NONE.to_le_bytes());
    }
    Ok(places.len())
}

/// Places in the archive: of the instruction, and of the kind of its relocation.
struct Store {
    instruction: u64,
    kind: u64,
}

fn stores(member: &[u8], start: u64, places: &mut Vec<Store>) -> Result<(), object::read::Error> {
    let endian = LittleEndian;
    let header = FileHeader64::<LittleEndian>::parse(member)?;
    let sections = header.sections(endian, member)?;
    for (_, section) in sections.enumerate() {
        let Some((entries, symbols)) = section.rela(endian, member)? else { continue };
        let symbols = sections.symbol_table_by_index(endian, member, symbols)?;
        let code = sections.section(section.info_link(endian))?;
        let (code_at, bytes) = (code.sh_offset(endian), code.data(endian, member)?);
        for (number, entry) in (0..).zip(entries) {
            let is_pc32 = entry.r_type(endian, false) == R_X86_64_PC32 && entry.r_addend(endian) == ADDEND;
            let Some(symbol) = entry.symbol(endian, false).filter(|_| is_pc32) else { continue };
            let Some(at) = entry.r_offset(endian).checked_sub(DISPLACEMENT) else { continue };
            let is_store = range(at, STORE.len()).and_then(|range| bytes.get(range)) == Some(&STORE);
            if is_store && symbols.symbol(symbol)?.name(endian, symbols.strings())? == SYMBOL {
                let kind = start + section.sh_offset(endian) + number * ENTRY + KIND;
                places.push(Store { instruction: start + code_at + at, kind });
            }
        }
    }
    Ok(())
}

fn replace(archive: &mut [u8], at: u64, with: &[u8]) {
    if let Some(place) = range(at, with.len()).and_then(|range| archive.get_mut(range)) {
        place.copy_from_slice(with);
    }
}

fn range(at: u64, len: usize) -> Option<Range<usize>> {
    let at = usize::try_from(at).ok()?;
    Some(at..at.checked_add(len)?)
}
