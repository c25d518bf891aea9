package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	s3Tries     = 5
	s3PartBytes = 16 << 20 // held in memory; 10,000 of them make the largest backup, 160 GB
	s3Dial      = 10 * time.Second
	s3Stall     = 2 * time.Minute // without a byte read or written, a connection is given up (P51)
	s3Amazon    = "https://s3.amazonaws.com"
)

// bucket keeps backups in an S3-compatible store. Credentials come from where every such program takes them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the file that
// AWS_SHARED_CREDENTIALS_FILE names or ~/.aws/credentials, and at Amazon the machine's role.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // "" or ends in /
	text   string
}

func parseS3(text string, clock func() time.Time) (Place, string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, "", errors.New("it is not s3://BUCKET/PREFIX?endpoint=URL&region=NAME; credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws/credentials")
	}
	options := &minio.Options{MaxRetries: s3Tries}
	endpoint := s3Amazon
	for key, values := range u.Query() {
		switch value := values[0]; key {
		case "endpoint":
			endpoint = value
		case "region":
			options.Region = value
		case "path-style":
			if value != "true" && value != "false" {
				return nil, "", errors.New("path-style is true or false")
			}
			if options.BucketLookup = minio.BucketLookupDNS; value == "true" {
				options.BucketLookup = minio.BucketLookupPath
			}
		default:
			return nil, "", fmt.Errorf("it has the parameter %q; there are endpoint, region and path-style", key)
		}
	}
	host, err := s3Endpoint(endpoint, options)
	if err != nil {
		return nil, "", err
	}
	options.Transport = s3Transport(clock)
	options.Creds = s3Credentials(endpoint == s3Amazon, options.Transport)
	client, err := minio.New(host, options)
	if err != nil {
		return nil, "", fmt.Errorf("its endpoint cannot be used: %w", err)
	}
	prefix, name := strings.Trim(u.Path, "/"), ""
	if strings.HasSuffix(prefix, Suffix) {
		prefix, name = path.Dir(prefix), path.Base(prefix)
	}
	if prefix = strings.Trim(prefix, "./"); prefix != "" {
		prefix += "/"
	}
	return &bucket{client: client, name: u.Host, prefix: prefix, text: text}, name, nil
}

// s3Endpoint wants TLS, save to this machine (P47).
func s3Endpoint(endpoint string, o *minio.Options) (host string, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return "", errors.New("its endpoint is not a URL as https://s3.example.com")
	}
	switch {
	case u.Scheme == "https":
		o.Secure = true
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return "", errors.New("its endpoint is not https; without TLS only this machine is reached")
	}
	return u.Host, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func s3Credentials(amazon bool, transport http.RoundTripper) *credentials.Credentials {
	providers := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if amazon {
		providers = append(providers, &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: s3Dial}})
	}
	return credentials.NewChainCredentials(providers)
}

func s3Transport(clock func() time.Time) *http.Transport {
	dialer := &net.Dialer{Timeout: s3Dial}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &restless{conn, clock}, nil
		},
		TLSHandshakeTimeout: s3Dial, ResponseHeaderTimeout: s3Stall, IdleConnTimeout: time.Minute, MaxIdleConns: 4,
		DisableCompression: true,
	}
}

// restless gives a connection up on which nothing moves.
type restless struct {
	net.Conn
	clock func() time.Time
}

func (c *restless) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(c.clock().Add(s3Stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *restless) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(c.clock().Add(s3Stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (b *bucket) String() string { return b.text }

// Put uploads in parts. The store shows the object when all of them are put together, and not before.
func (b *bucket) Put(ctx context.Context, name string, fill func(io.Writer) error) (int64, error) {
	if err := checkFileName(name); err != nil {
		return 0, err
	}
	if _, err := b.client.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{}); err == nil {
		return 0, fmt.Errorf("%s is there already", name)
	} else if minio.ToErrorResponse(err).Code != minio.NoSuchKey {
		return 0, b.explain(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, in := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		err := fill(cancelled{ctx, in})
		failed <- err
		if err != nil {
			// Wrapped: the library takes a bare io.ErrUnexpectedEOF for the end of the object.
			err = fmt.Errorf("backup: %w", err)
		}
		in.CloseWithError(err)
	}()
	info, err := b.client.PutObject(ctx, b.name, b.prefix+name, out, -1, minio.PutObjectOptions{ContentType: "application/octet-stream", PartSize: s3PartBytes})
	cancel()
	out.CloseWithError(errors.New("the upload ended"))
	if cause := <-failed; cause != nil && (err == nil || errors.Is(err, cause)) {
		return 0, cause
	}
	return info.Size, b.explain(err)
}

func (b *bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain(err)
	}
	if _, err := object.Stat(); err != nil {
		return nil, errors.Join(b.explain(err), object.Close())
	}
	return object, nil
}

func (b *bucket) List(ctx context.Context) ([]File, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listing
	defer cancel()
	var files []File
	for object := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix}) {
		if object.Err != nil {
			return nil, b.explain(object.Err)
		}
		if name, ok := ParseName(strings.TrimPrefix(object.Key, b.prefix)); ok {
			files = append(files, File{name, object.Size})
		}
	}
	return newestFirst(files), nil
}

func (b *bucket) Delete(ctx context.Context, name string) error {
	if err := checkFileName(name); err != nil {
		return err
	}
	return b.explain(b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
}

func (b *bucket) CleanUp(ctx context.Context, host string, before time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for upload := range b.client.ListIncompleteUploads(ctx, b.name, b.prefix, false) {
		if upload.Err != nil {
			return b.explain(upload.Err)
		}
		name, ok := ParseName(strings.TrimPrefix(upload.Key, b.prefix))
		if !ok || name.Host != plainHost(host) || !name.At.Before(before) {
			continue
		}
		if err := b.client.RemoveIncompleteUpload(ctx, b.name, upload.Key); err != nil {
			return b.explain(err)
		}
	}
	return nil
}

// explain adds the way out to what operators meet.
func (b *bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	code := minio.ToErrorResponse(err).Code
	switch code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w in bucket %s", ErrNotThere, b.name)
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %s at %s: make it, or correct the name", b.name, b.client.EndpointURL().Host)
	case minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("%s refuses the credentials for bucket %s (%s): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials, of somebody who may list, read, write and delete there",
			b.client.EndpointURL().Host, b.name, code)
	}
	return fmt.Errorf("bucket %s at %s: %w", b.name, b.client.EndpointURL().Host, err)
}
