//! Zab.
#![no_std]
