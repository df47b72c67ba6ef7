//! Tiles of columns.

use crate::backend::fused::strip::Tile;
use crate::backend::kernels::float::LANES;

const MOST: [usize; 9] = [0, 1, 31, 32, 33, 64, 100, 255, 1000];

fn all() -> impl Iterator<Item = (usize, usize, Vec<Tile>)> {
    let of = |width: usize| MOST.map(move |most| (width, most, Tile::split(width, most).collect()));
    (1..=700).flat_map(of)
}

#[test]
fn tiles_cover_all_columns_once() {
    for (width, most, tiles) in all() {
        let mut next = 0;
        for tile in &tiles {
            assert!(
                tile.first == next && tile.end > next && tile.width == width,
                "{width}, {most}: {tiles:?}"
            );
            next = tile.end;
        }
        assert_eq!(next, width, "{most}: {tiles:?}");
    }
}

#[test]
fn what_a_tile_reads_has_the_neighbours_of_what_it_writes() {
    for (width, most, tiles) in all() {
        for tile in tiles {
            let (first, end) = (tile.first.saturating_sub(1), (tile.end + 1).min(width));
            assert!(
                tile.read_first <= first && end <= tile.read_end && tile.read_end <= width,
                "{most}: {tile:?}"
            );
        }
    }
}

#[test]
fn inner_tiles_read_whole_vectors() {
    for (width, most, tiles) in all() {
        for tile in tiles.iter().rev().skip(1) {
            let read = tile.read_end - tile.read_first;
            assert!(read.is_multiple_of(LANES), "{width}, {most}: {tile:?}");
            // Only the last tile has what is beyond the picture on its right.
            assert!(tile.read_end < width || tile.end == width, "{width}, {most}: {tile:?}");
        }
    }
}

#[test]
fn no_tile_reads_much_more_than_was_asked_for() {
    for (width, most, tiles) in all() {
        let limit = (most.max(2 * LANES) + 2).next_multiple_of(LANES);
        for tile in &tiles {
            assert!(tile.read_pixels() <= limit && tile.pixels() <= limit, "{width}, {most}: {tile:?}");
        }
        assert!(tiles.len() <= width.div_ceil(most.max(2 * LANES)), "{width}, {most}: {tiles:?}");
    }
}

#[test]
fn kept_rows_have_room_for_all_that_is_read_of_them() {
    for (width, most, tiles) in all() {
        for tile in tiles {
            let row = tile.kept_row();
            // The depthwise kernels read two pixels more than they write.
            assert!(tile.neighbour() + tile.pixels() + 2 <= row, "{most}: {tile:?}");
            assert!(Tile::KEPT_FIRST + tile.read_pixels() <= row, "{most}: {tile:?}");
            let beyond: Vec<usize> = tile.beyond().collect();
            assert_eq!(beyond.contains(&tile.neighbour()), tile.first == 0, "{most}: {tile:?}");
            let right = tile.neighbour() + tile.end - tile.first + 1;
            assert_eq!(beyond.contains(&right), tile.end == width, "{most}: {tile:?}");
            assert!(beyond.iter().all(|at| *at < row), "{most}: {tile:?}");
        }
    }
}
