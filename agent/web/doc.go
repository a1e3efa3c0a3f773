// Package web is the worker's page and API on loopback: what it measures, scores, asks for and runs, live.
//
// Holds: the board (the last ten minutes in bounded memory), JSON and server-sent events, the embedded page, request checks.
// Never holds: control of outputs, decisions, models; templates; anything loaded from another host.
// May import: the standard library.
// Start reading at: Board, Server.
//
//	GET  /             the page
//	GET  /api/status   Status as JSON
//	GET  /api/events   server-sent events: first one "state" with everything, then "update" about twice a second
//	POST /api/reload   read the configuration again
//	GET  /metrics      Prometheus text
//	GET  /healthz      200 while the worker makes progress, 503 otherwise
package web
