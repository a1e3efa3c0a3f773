// Package firmwareconfig embeds the deployable files that are not code.
//
// Holds: the embedded file system, nothing else.
// Never holds: logic.
// May import: embed, io/fs.
// Start reading at: FS.
//
// Only cmd imports it and hands parts of FS down.
package firmwareconfig

import "embed"

// FS has the folders of this directory by their own names: "demo" is the simulated cabinet, "systemd" the units.
//
//go:embed demo systemd
var FS embed.FS
