//! The state for people: a line that changes on a terminal, now and then a line elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use vlunet::telemetry::Status;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Shows the state of a loop.
pub struct Display {
    bar: ProgressBar,
    next: Instant,
}

impl Display {
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, next: Instant::now() }
    }

    pub fn show(&mut self, status: &Status) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line(status));
            self.bar.tick();
        } else if Instant::now() >= self.next {
            self.next = Instant::now() + LINE_EVERY;
            log::info!("{}", line(status));
        }
    }
}

/// The state in one line.
pub fn line(status: &Status) -> String {
    let Status { state, fps_in, fps_out, detected, governor, age_ms, .. } = status;
    let seen = match detected.label.as_str() {
        "" => "nothing seen yet".into(),
        label => format!("{label} ({:.0} %)", 100.0 * detected.confidence),
    };
    let size = match governor.scale {
        scale if scale > 0.0 && scale < 1.0 => format!(", at {:.0} % of its sides", 100.0 * scale),
        _ => String::new(),
    };
    let faults: Vec<&str> =
        status.faults.iter().filter(|(_, fault)| fault.active).map(|(kind, _)| kind.as_str()).collect();
    let trouble =
        if faults.is_empty() { String::new() } else { format!(" | trouble: {}", faults.join(", ")) };
    let age = age_ms.percentiles().p50;
    format!("{state}: {seen}{size} | {fps_in:.1} -> {fps_out:.1} frames/s, {age:.0} ms old{trouble}")
}
