//go:build tools

// Package tools keeps the server's module in go.mod; nothing of it is linked into the product.
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
