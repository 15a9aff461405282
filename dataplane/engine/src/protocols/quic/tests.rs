//! Connections made packet by packet: the vectors of the RFCs, and any order of what they consist of.

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockEncrypt, KeyInit};
use aes_gcm::{AeadInPlace, Aes128Gcm};
