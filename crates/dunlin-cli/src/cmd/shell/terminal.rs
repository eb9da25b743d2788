//! The state of the terminal, which the prompt changes while it waits for a line.

#[cfg(unix)]
use std::io::{Write as _, stderr, stdin};

#[cfg(unix)]
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Ends the marking of pasted text, which the prompt begins.
#[cfg(unix)]
const NO_PASTE_MARKS: &[u8] = b"\x1b[?2004l\r\n";

/// A state to come back to.
pub(super) struct Mode {
    #[cfg(unix)]
    found: Option<Termios>,
}

impl Mode {
    /// The state that the terminal is in.
    pub(super) fn of_terminal() -> Self {
        Self {
            #[cfg(unix)]
            found: tcgetattr(stdin()).ok(),
        }
    }

    /// Puts the terminal into that state. If it is gone, there is nothing to put right.
    pub(super) fn restore(self) {
        #[cfg(unix)]
        if let Some(found) = self.found {
            let _ = stderr().write_all(NO_PASTE_MARKS);
            let _ = tcsetattr(stdin(), OptionalActions::Drain, &found);
        }
    }
}
