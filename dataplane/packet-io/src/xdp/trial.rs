//! The parser of the XDP program, run by the kernel on packets of ours.

use std::fmt;

use aya::Ebpf;
use aya::maps::{Array, MapData};
use aya::programs::{TestRun, TestRunOptions};
use ebpf_maps::{Probe, maps, programs};

use super::error::XdpError;
use super::plain::Plain;
use super::program::{load_program, run_error, taken, xdp};
use crate::linux;

/// The program that writes down what the parser reads. It is never attached.
pub struct ParseTrial {
    ebpf: Ebpf,
    probed: Array<MapData, Plain<Probe>>,
}

impl ParseTrial {
    /// Loads it.
    ///
    /// # Errors
    /// [`XdpError`] by its cause.
    pub fn load() -> Result<Self, XdpError> {
        linux::lift_memlock();
        let mut ebpf = Ebpf::load(ebpf_maps::PARSE_PROBE).map_err(XdpError::object)?;
        load_program(&mut ebpf, programs::PROBE)?;
        let probed = taken(&mut ebpf, maps::PROBED)?;
        let probed = Array::try_from(probed).map_err(XdpError::map(maps::PROBED))?;
        Ok(Self { ebpf, probed })
    }

    /// What the parser reads in a frame of at least 14 bytes, which is what the kernel runs programs on.
    ///
    /// # Errors
    /// [`XdpError::System`] or [`XdpError::Map`].
    pub fn read(&mut self, frame: &[u8]) -> Result<Probe, XdpError> {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
        xdp(&mut self.ebpf, programs::PROBE)?.test_run(options).map_err(|error| run_error(&error))?;
        self.probed.get(&0, 0).map(|probe| probe.0).map_err(XdpError::map(maps::PROBED))
    }
}

impl fmt::Debug for ParseTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParseTrial")
    }
}
