package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// credentials and secured are what support/secured.ts describes.
type credentials struct{ Name, Password string }

type securedBroker struct {
	Bootstraps  map[string]string
	Files       map[string]string
	User, Admin credentials
}

// secured is nil when there is no such broker.
var secured = readSecured()

func readSecured() *securedBroker {
	path := os.Getenv("COMPAT_SECURED")
	if path == "" {
		return nil
	}
	var found securedBroker
	if err := json.Unmarshal(must(os.ReadFile(path)), &found); err != nil {
		panic(err)
	}
	for listener, addresses := range found.Bootstraps {
		found.Bootstraps[listener] = firstOf(addresses)
	}
	return &found
}

// firstOf is the broker of a cluster that clients ask for the others.
func firstOf(addresses string) string {
	first, _, _ := strings.Cut(addresses, ",")
	return first
}

var errSkip = errors.New("it needs a broker that the harness started")

// onSecured is a case that is skipped when there is no secured broker.
func onSecured(body func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if secured == nil {
			return errSkip
		}
		return body(ctx)
	}
}

// tlsWith trusts the authority in this file, and shows a certificate if asked to.
func tlsWith(authority string, certificate bool) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(secured.Files[authority])))
	config := &tls.Config{RootCAs: pool}
	if certificate {
		config.Certificates = []tls.Certificate{must(tls.LoadX509KeyPair(secured.Files["clientCert"], secured.Files["clientKey"]))}
	}
	return config
}

func token() string { return string(must(os.ReadFile(secured.Files["token"]))) }

// refuses wants work to fail soon, with an error that is wanted.
func refuses(ctx context.Context, what string, work func(context.Context) error, wanted func(error) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := work(ctx)
	if err == nil {
		return fmt.Errorf("%s: it worked", what)
	}
	if !wanted(err) || ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// isUnknownAuthority tells a certificate that is not trusted, however deep in err.
func isUnknownAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}
