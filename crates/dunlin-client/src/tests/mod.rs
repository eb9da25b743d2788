//! Tests of the client against a scripted peer that plays the broker.
