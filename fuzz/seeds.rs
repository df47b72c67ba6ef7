//! Writes small sound files to `corpus/`, for the fuzz targets to start from.

#[path = "../tests/support/bundle.rs"]
mod bundle;
#[path = "../tests/support/checkpoint.rs"]
mod checkpoint;
#[path = "../tests/support/seeds.rs"]
mod seeds;

fn main() -> std::io::Result<()> {
    let sets = [
        ("checkpoint", seeds::checkpoints()),
        ("frame", seeds::frames()),
        ("manifest", seeds::bundles()),
        ("picture", seeds::pictures()),
        ("recipe", seeds::recipes()),
        ("settings", seeds::settings()),
        ("shard", seeds::shards()),
        ("update", seeds::updates()),
        ("y4m", seeds::y4m()),
    ];
    for (target, files) in sets {
        let folder = std::path::Path::new("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        for (index, bytes) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index}")), bytes)?;
        }
    }
    Ok(())
}
