//go:build tools

// Package tools names the commands, so that the module holds what they need: with a go.mod that replaces
// modules, they cannot be installed by `go install`.
package tools

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
