//! What is set about how the pages look.

use std::fs::File;
use std::io::{self, Read as _};

use identity::{Brand, BrandName, Colour, Logo};

use super::Settings;
use super::error::ConfigError;
use super::parse::setting;

pub(super) fn brand(settings: &Settings) -> Result<Brand, ConfigError> {
    Ok(Brand {
        name: setting("name", settings.name.as_ref()).read(|text| Ok(BrandName::parse(text)?))?,
        logo: setting("logo_file", settings.logo_file.as_ref()).read(|path| Ok(Logo::of(head_of(path)?)?))?,
        colour: setting("colour", settings.colour.as_ref()).read(|text| Ok(Colour::parse(text)?))?,
    })
}

/// A file as far as it could be a logo, and one byte more.
fn head_of(path: &str) -> Result<Vec<u8>, io::Error> {
    let mut bytes = Vec::new();
    File::open(path)?.take(Logo::MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
