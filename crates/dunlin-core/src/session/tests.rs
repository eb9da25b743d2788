use super::*;

/// There are millions.
#[test]
fn a_session_is_what_an_allocator_gives_for_its_size() {
    let counts_of_an_arc = 2 * size_of::<usize>();
    assert!(size_of::<Session>() + counts_of_an_arc <= 384);
}
