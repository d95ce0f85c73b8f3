//! The allocator of guests.
//!
//! A guest lives for one call, and most of a call is parsing, which is mostly allocating. So what a call usually needs is
//! part of the memory that the guest begins with: asking the host for more means a change of page protection in every
//! core, and costs more than everything else that such a call does.

#![allow(unsafe_code)]

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// What a guest begins with, in bytes. Pages that nobody touches cost nothing.
const FIRST_BYTES: usize = 512 * 1024;

/// WebAssembly's page, in bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// How many pages the host is asked for at a time, if the guest's limit allows.
const PAGES_AT_A_TIME: usize = 8;

#[global_allocator]
static ALLOCATOR: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { first: true });

static mut FIRST: [MaybeUninit<u8>; FIRST_BYTES] = [MaybeUninit::uninit(); FIRST_BYTES];

/// Where memory comes from: first from [`FIRST`], then from the host.
#[derive(Debug)]
struct Memory {
    first: bool,
}

// SAFETY: nothing here allocates.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if std::mem::take(&mut talc.source.first) {
            // SAFETY: this is the only place that knows `FIRST`, and it comes here once.
            return unsafe { talc.claim((&raw mut FIRST).cast(), FIRST_BYTES) }.map(drop).ok_or(());
        }
        // The allocator's own records in front of and behind the block take less than a page.
        let needed = (layout.size() + layout.align()).div_ceil(PAGE_BYTES) + 1;
        let (base, pages) = [needed.max(PAGES_AT_A_TIME), needed]
            .into_iter()
            .find_map(|pages| match memory_grow::<0>(pages) {
                usize::MAX => None,
                before => Some((before * PAGE_BYTES, pages)),
            })
            .ok_or(())?;
        // SAFETY: these pages came into being just now.
        unsafe { talc.claim(base as *mut u8, pages * PAGE_BYTES) }.map(drop).ok_or(())
    }
}
