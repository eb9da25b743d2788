use super::*;

#[test]
fn each_step_holds_until_it_is_well_below() {
    use Pressure::{Full, None, Refuse, Slow};

    let mut pressure = None;
    for (percent, expected) in [
        (0, None),
        (79, None),
        (80, Slow),
        (76, Slow),
        (75, Slow),
        (74, None),
        (96, Full),
        (90, Full),
        (89, Refuse),
        (85, Refuse),
        (84, Slow),
        (89, Slow),
        (90, Refuse),
        (300, Full),
        (0, None),
    ] {
        pressure = next(pressure, percent);
        assert_eq!(pressure, expected, "{percent}");
    }
}

#[test]
fn a_budget_is_held_against_what_is_used() {
    let memory = Memory::new(1000);
    memory.take(949, 1000);
    assert_eq!(memory.pressure(), Pressure::Refuse);
    memory.take(950, 1000);
    assert_eq!(memory.pressure(), Pressure::Full);
    assert!(memory.pressure().pause() > Pressure::Slow.pause());
    memory.take(0, 1000);
    assert_eq!(memory.pressure(), Pressure::None);
    assert_eq!(memory.pressure().pause(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_in_use_is_read() {
    let used = resident().unwrap();
    assert!(used > 1 << 20 && used < 1 << 40, "{used}");
}
