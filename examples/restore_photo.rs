//! Restores one photo with the embedded model.
//!
//! `cargo run --release --example restore_photo -- foggy.jpg dehaze clear.jpg`

use std::path::Path;
use vlunet::bundle::Bundle;
use vlunet::picture::{Limits, Picture, SaveOptions};
use vlunet::restore::{Options, Restorer};
use vlunet::vlm::Degradation;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, task, output] = arguments.as_slice() else {
        return Err("usage: restore_photo INPUT TASK OUTPUT".into());
    };
    let bundle = Bundle::find("nano")?;
    let mut restorer = Restorer::open(&bundle, &Options::default())?;
    let mut photo = Picture::open(Path::new(input), &Limits::default())?;
    photo.planes = restorer.restore(photo.planes.view(), &Degradation::for_task(&bundle, task)?)?;
    photo.save(Path::new(output), &SaveOptions::default())?;
    Ok(())
}
