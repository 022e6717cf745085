//go:build tools

// Package tools names the command, so that the module holds what it needs: with a go.mod that replaces
// modules, it cannot be installed by `go install`.
package tools

import _ "github.com/GoogleContainerTools/kaniko/cmd/executor"
