//! Works the pins of a board by hand: lights the LED and every output, then blinks while it
//! waits for presses of the button.
//!
//! `cargo run --example gpio_probe -- raspberry-pi-5 20` (a profile's name or file, and seconds;
//! without them the board is detected, and 10). A profile for QEMU's machine `virt` needs
//! `[gpio]` with `chip = ["9030000.pl061"]`; one for `raspi3b` has `rppal = true` and
//! `chip = ["pinctrl-bcm2835"]`.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};
    use vlunet::board::Board;
    use vlunet::board::gpio::Panel;
    use vlunet::telemetry::{State, Telemetry};

    env_logger::init();
    let mut arguments = std::env::args().skip(1);
    let root = Path::new("/");
    let board = arguments.next().map_or_else(|| Board::detect(root), |name| Board::named(&name, root))?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let pins = board.profile.gpio.clone().ok_or("this board's profile has no [gpio]")?;

    let telemetry = Arc::new(Telemetry::default());
    let presses = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&presses);
    let panel = Panel::start(&pins, &board.profile.cpu.other_cores, Arc::clone(&telemetry), move || {
        counted.fetch_add(1, Ordering::Relaxed);
    })?;
    println!("{}: pins by {}", board.profile.title, panel.driver());

    let start = Instant::now();
    let mut seen = 0;
    for turn in 0.. {
        if start.elapsed().as_secs() >= seconds {
            break;
        }
        // Every other second: lit with the outputs on in turn, then dark with all off.
        let output = pins.outputs.get(turn / 2 % pins.outputs.len().max(1));
        let on = turn % 2 == 0;
        telemetry.update(|status| {
            status.state = if on { State::Restoring } else { State::Bypass };
            status.detected.task = output.filter(|_| on).map_or_else(String::new, |pin| pin.task.to_string());
        });
        println!("{}", if on { "lit" } else { "dark" });
        std::thread::sleep(Duration::from_secs(1));
        let now = presses.load(Ordering::Relaxed);
        if now != seen {
            println!("pressed {now} times");
            seen = now;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("pins are there on Linux only");
}
