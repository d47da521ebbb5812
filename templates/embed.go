// Package templates holds the built-in pipeline templates as data: one folder
// each, with template.yaml, statemachine.asl.json and function sources. It has
// no code and imports nothing of this module; package spec reads it.
package templates

import "embed"

// FS has one folder for each built-in template; whatever folder is beside this file is one.
//
//go:embed *
var FS embed.FS
