//! What stands around the loop: the display, the board's pins and heat, systemd.

use super::Args;
use super::display::Display;
use std::sync::Arc;
use std::time::Instant;
use vlunet::Result;
use vlunet::board::Board;
use vlunet::board::gpio::Panel;
use vlunet::board::thermal::Heat;
use vlunet::pipeline::{self, Hooks, Settings, Summary};
use vlunet::telemetry::Telemetry;
use vlunet::update::Watch;

/// Runs the loop with everything around it; `pins` says whether the board's are used, `watch` looks
/// after a model that an update has installed.
pub fn run(
    args: Args,
    settings: Settings,
    board: &Board,
    pins: bool,
    mut watch: Option<Watch>,
    telemetry: &Arc<Telemetry>,
) -> Result<Summary> {
    let panel = pins.then(|| panel(board, telemetry)).flatten();
    let (mut thermal, mut heat) = (board.thermal(), Heat::new(&board.profile.thermal));
    let mut display = Display::new();
    let mut hooks = Hooks {
        board: Box::new(move || {
            let state = thermal.read();
            let heat = heat.update(&state, Instant::now());
            (state, heat)
        }),
        ..Hooks::default()
    };
    #[cfg(target_os = "linux")]
    let notifier = Arc::new(vlunet::systemd::Notifier::from_environment());
    #[cfg(target_os = "linux")]
    {
        let alive = Arc::clone(&notifier);
        hooks.alive = Box::new(move |frame| if frame { alive.frame_done() } else { alive.waiting() });
    }
    #[cfg(target_os = "linux")]
    let told = Arc::clone(&notifier);
    let teller = Arc::clone(telemetry);
    hooks.observe = Box::new(move |status| {
        display.show(status);
        if let Some(watch) = &mut watch {
            let installed = watch.observe(status, Instant::now());
            teller.update(|status| status.installed = installed);
        }
        #[cfg(target_os = "linux")]
        if told.is_connected() {
            told.status(&super::display::line(status));
        }
    });
    let (board, reloader) = (board.clone(), args);
    #[cfg(target_os = "linux")]
    let told = Arc::clone(&notifier);
    hooks.reload = Box::new(move || {
        reloader.config.as_ref()?;
        #[cfg(target_os = "linux")]
        told.reloading();
        let settings = reloader.config().and_then(|config| reloader.settings(config, &board));
        #[cfg(target_os = "linux")]
        told.ready();
        Some(settings)
    });
    let summary = pipeline::run(settings, telemetry, hooks);
    #[cfg(target_os = "linux")]
    notifier.stopping();
    drop(panel);
    summary
}

/// The board's button and LED, where it has any; trouble with them stops nothing.
fn panel(board: &Board, telemetry: &Arc<Telemetry>) -> Option<Panel> {
    let pins = board.profile.gpio.as_ref()?;
    let pressed = {
        let telemetry = Arc::clone(telemetry);
        move || {
            telemetry.controls().toggle_bypass();
        }
    };
    match Panel::start(pins, &board.profile.cpu.other_cores, Arc::clone(telemetry), pressed) {
        Ok(panel) => Some(panel),
        Err(e) => {
            log::warn!("{e}; going on without the button and the LED");
            None
        }
    }
}
