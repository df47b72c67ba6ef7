//! A button, an LED and outputs on the board's pins.
//!
//! | LED | the loop |
//! |---|---|
//! | dark | restoring is switched off by the button, or the program has ended |
//! | one blink a second | no frame has come yet |
//! | a short flash every two seconds | the picture is clear and passes untouched |
//! | lit | frames are restored |
//! | five blinks a second | something is wrong |
//!
//! Pins are taken only where the user asks for it: something else may be wired to them.
//!
//! The button toggles restoring. An output is on while its degradation is seen. What goes wrong
//! with a pin is said once, and the picture goes on.

mod debounce;
mod led;
#[cfg(target_os = "linux")]
mod lines;
mod panel;

pub use debounce::Debounce;
pub use led::is_lit;
#[cfg(target_os = "linux")]
pub use lines::Gpio;
pub use panel::Panel;
