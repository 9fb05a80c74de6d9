//! The companion on logs that the filter's own code writes.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod disclosures;
#[cfg(test)]
mod events;
#[cfg(test)]
mod files;
#[cfg(test)]
mod report;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod strict;
