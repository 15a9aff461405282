//! Memory that tables live in: huge pages, prefetch, and the cycle counter.
//!
//! The engine forbids `unsafe`; what it needs of the machine is here, behind safe calls. A table of a million flows
//! spans 128 MiB: with 4 KiB pages nearly every look-up misses the TLB, with 2 MiB pages nearly none does.

#![expect(unsafe_code, reason = "the fence around mmap, madvise and two instructions")]

use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::os::unix::process::CommandExt;
use std::process::Command;

const HUGE_PAGE: usize = 2 << 20;

/// What pages a [`HugeVec`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Reserved 2 MiB pages (`vm.nr_hugepages`).
    Reserved,
    /// Ordinary memory that the kernel was asked to back with 2 MiB pages (`madvise`).
    Transparent,
}

/// Which pages a [`HugeVec`] should take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PagePolicy {
    /// Transparent huge pages: committed as they are touched.
    #[default]
    Transparent,
    /// Reserved 2 MiB pages where enough are free, transparent ones otherwise.
    PreferReserved,
}

/// The system refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub bytes: usize,
    /// `errno` of the refusal, 0 where the size itself was impossible.
    pub errno: i32,
}

impl core::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "cannot map {} bytes: ", self.bytes)?;
        match self.errno {
            0 => f.write_str("the size overflows the address space"),
            errno => write!(f, "{}", std::io::Error::from_raw_os_error(errno)),
        }
    }
}

impl core::error::Error for OutOfMemory {}

/// A vector of fixed capacity in 2 MiB pages: it never moves, and memory is committed as it grows.
///
/// Elements are `Copy` and so have no destructor to run.
#[derive(Debug)]
pub struct HugeVec<T: Copy> {
    base: NonNull<T>,
    len: usize,
    capacity: usize,
    mapped: NonNull<libc::c_void>,
    mapped_len: usize,
    pages: Pages,
}

// SAFETY: the vector owns its mapping alone, so moving it to another thread moves the elements with it.
unsafe impl<T: Copy + Send> Send for HugeVec<T> {}
// SAFETY: a shared reference gives only shared references to elements.
unsafe impl<T: Copy + Sync> Sync for HugeVec<T> {}

impl<T: Copy> HugeVec<T> {
    /// An empty vector with room for `capacity` elements.
    ///
    /// # Errors
    /// When the kernel refuses the address space.
    pub fn with_capacity(capacity: usize, policy: PagePolicy) -> Result<Self, OutOfMemory> {
        let bytes = capacity
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.max(1).checked_next_multiple_of(HUGE_PAGE))
            .ok_or(OutOfMemory { bytes: usize::MAX, errno: 0 })?;
        let (mapped, mapped_len, start, pages) = match policy {
            PagePolicy::PreferReserved => map_reserved(bytes).or_else(|_| map_transparent(bytes))?,
            PagePolicy::Transparent => map_transparent(bytes)?,
        };
        Ok(Self { base: start.cast(), len: 0, capacity, mapped, mapped_len, pages })
    }

    /// A vector of `len` copies of `value`.
    ///
    /// # Errors
    /// When the kernel refuses the address space.
    pub fn filled(len: usize, value: T, policy: PagePolicy) -> Result<Self, OutOfMemory> {
        let mut vec = Self::with_capacity(len, policy)?;
        for _ in 0..len {
            let _ = vec.push(value);
        }
        Ok(vec)
    }

    /// Appends an element and gives its index; none when the vector is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Option<usize> {
        if self.len == self.capacity {
            return None;
        }
        let index = self.len;
        // SAFETY: `index < capacity`, and the mapping holds `capacity` elements of `T` from `base` on.
        let slot = unsafe { self.base.add(index) };
        // SAFETY: `slot` is inside the mapping, aligned to at least the page size at its start, and unshared.
        unsafe { slot.write(value) };
        self.len += 1;
        Some(index)
    }

    /// Most elements it can hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// What pages it got.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.pages
    }

    /// Asks the processor to load the cache line at the start of element `index`, if there is one.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        self.prefetch_at(index, 0);
    }

    /// Asks the processor to load the cache line `offset` bytes into element `index`, if there is one.
    #[inline]
    pub fn prefetch_at(&self, index: usize, offset: usize) {
        if index < self.len && offset < size_of::<T>() {
            let at = self.base.as_ptr().wrapping_add(index).cast::<i8>().wrapping_add(offset);
            prefetch(at);
        }
    }
}

impl<T: Copy> Deref for HugeVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` elements were written by `push`, and live as long as the mapping.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for HugeVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and `&mut self` is the only way to them.
        unsafe { core::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for HugeVec<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone and nothing borrows from it any more.
        unsafe { libc::munmap(self.mapped.as_ptr(), self.mapped_len) };
    }
}

/// The processor's time-stamp counter: cycles at a constant rate on every x86-64 of the last decade.
#[inline]
#[must_use]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: `rdtsc` reads a counter; every x86-64 processor has it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        0
    }
}

/// CPU time that this thread has used, nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Starts the program anew with a heap in 2 MiB pages, unless it has one; does nothing where that cannot be had.
///
/// Parsers and reassembly buffers live on the heap, and with 4 KiB pages nearly every packet of an inspected flow
/// misses the TLB for them. glibc (2.35 on) asks for huge pages only when it is told to before it starts, by its
/// environment. For the first line of `main`, before there are threads, files or locks.
pub fn restart_with_huge_heap() {
    const VARIABLE: &str = "GLIBC_TUNABLES";
    const TUNABLE: &str = "glibc.malloc.hugetlb";
    let set = std::env::var(VARIABLE).unwrap_or_default();
    if !cfg!(target_env = "gnu") || set.contains(TUNABLE) {
        return;
    }
    let separator = if set.is_empty() { "" } else { ":" };
    let mut arguments = std::env::args_os();
    // By its own path: by that of the link, `ps` and who looks for the holder of a program would see a process `exe`.
    let mut again = Command::new(std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()));
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It only returns where it failed; then small pages will do.
    let _ = again.args(arguments).env(VARIABLE, format!("{set}{separator}{TUNABLE}=1")).exec();
}

/// Asks the kernel to back what lies in `memory` by whole 2 MiB pages with such. Best before the first byte is touched.
pub fn advise_huge<T>(memory: &mut [MaybeUninit<T>]) {
    let start: NonNull<u8> = NonNull::from_mut(&mut *memory).cast();
    let slack = start.as_ptr().align_offset(HUGE_PAGE);
    let inside = size_of_val(memory).saturating_sub(slack) / HUGE_PAGE * HUGE_PAGE;
    if inside == 0 {
        return;
    }
    // SAFETY: `slack` is less than the size of `memory`, or nothing would be inside.
    let first = unsafe { start.add(slack) };
    // SAFETY: the range is inside memory that is ours to change; the advice changes no content, and its refusal does
    // no harm.
    unsafe { libc::madvise(first.as_ptr().cast(), inside, libc::MADV_HUGEPAGE) };
}

/// Asks the processor to load the cache line that `bytes` start in.
#[inline]
pub fn prefetch_start(bytes: &[u8]) {
    prefetch(bytes.as_ptr().cast());
}

/// Asks the processor to load the first two cache lines of a frame: headers, and where the payload begins.
#[inline]
pub fn prefetch_head(bytes: &[u8]) {
    prefetch_start(bytes);
    if let Some(second) = bytes.get(64..).filter(|second| !second.is_empty()) {
        prefetch_start(second);
    }
}

/// Asks the processor to load the first cache lines of a value, eight at most.
#[inline]
pub fn prefetch_value<T: ?Sized>(value: &T) {
    let start: *const i8 = core::ptr::from_ref(value).cast();
    for offset in (0..size_of_val(value).min(8 * 64)).step_by(64) {
        prefetch(start.wrapping_add(offset));
    }
}

#[inline]
fn prefetch(at: *const i8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

type Mapping = (NonNull<libc::c_void>, usize, NonNull<libc::c_void>, Pages);

fn map_reserved(bytes: usize) -> Result<Mapping, OutOfMemory> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_POPULATE;
    let start = map(bytes, flags)?;
    Ok((start, bytes, start, Pages::Reserved))
}

fn map_transparent(bytes: usize) -> Result<Mapping, OutOfMemory> {
    // One page more, so that a 2 MiB boundary lies inside.
    let mapped_len = bytes.checked_add(HUGE_PAGE).ok_or(OutOfMemory { bytes, errno: 0 })?;
    let mapped = map(mapped_len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE)?;
    let slack = mapped.as_ptr().align_offset(HUGE_PAGE);
    // SAFETY: `slack < HUGE_PAGE`, so the result is inside the mapping.
    let start = unsafe { mapped.byte_add(slack) };
    // SAFETY: the range is inside our own mapping; the advice changes no content, and its refusal does no harm.
    unsafe { libc::madvise(start.as_ptr(), bytes, libc::MADV_HUGEPAGE) };
    Ok((mapped, mapped_len, start, Pages::Transparent))
}

fn map(bytes: usize, flags: libc::c_int) -> Result<NonNull<libc::c_void>, OutOfMemory> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let start = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(OutOfMemory { bytes, errno });
    }
    NonNull::new(start).ok_or(OutOfMemory { bytes, errno: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_vector_refuses_more() {
        let mut vec = HugeVec::with_capacity(3, PagePolicy::Transparent).unwrap();
        assert_eq!(
            [vec.push(1u32), vec.push(2), vec.push(3), vec.push(4)],
            [Some(0), Some(1), Some(2), None]
        );
        assert_eq!(&*vec, &[1, 2, 3]);
    }

    #[test]
    fn elements_start_on_a_huge_page_and_can_be_changed() {
        let mut vec = HugeVec::filled(1_000_000, 7u64, PagePolicy::PreferReserved).unwrap();
        assert_eq!(vec.as_ptr().align_offset(2 << 20), 0);
        vec[999_999] = 8;
        assert_eq!(vec.iter().sum::<u64>(), 7 * 1_000_000 + 1);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        assert_eq!(
            HugeVec::<u64>::with_capacity(usize::MAX / 4, PagePolicy::Transparent).unwrap_err().errno,
            0
        );
        let refused = HugeVec::<u8>::with_capacity(1 << 60, PagePolicy::Transparent).unwrap_err();
        assert_ne!(refused.errno, 0);
        assert!(refused.to_string().starts_with("cannot map"));
    }

    #[test]
    fn a_prefetch_outside_is_harmless() {
        let vec = HugeVec::filled(4, 1u8, PagePolicy::Transparent).unwrap();
        vec.prefetch(3);
        vec.prefetch(usize::MAX);
        vec.prefetch_at(0, usize::MAX);
        prefetch_start(&[]);
        prefetch_value(&[0_u8; 200]);
        prefetch_value::<[u8]>(&[]);
    }

    #[test]
    fn advice_about_memory_leaves_it_as_it_is() {
        let mut memory = vec![MaybeUninit::new(7_u8); 5 << 20];
        advise_huge(&mut memory);
        advise_huge(&mut memory[..100]);
        advise_huge::<u64>(&mut []);
        // SAFETY: every byte was given a value.
        assert!(memory.iter().all(|byte| unsafe { byte.assume_init() } == 7));
    }
}
