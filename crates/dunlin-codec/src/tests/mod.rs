//! Tests of the codec.

mod forward;
