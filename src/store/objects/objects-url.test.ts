import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectNameAllowed } from './object-name.ts'
import { parseObjectsUrl } from './objects-url.ts'

test('bucket, prefix, endpoint and region', () => {
  assert.deepEqual(parseObjectsUrl('s3://logs/a/b/?endpoint=http://127.0.0.1:9000&region=eu-west-1', {}), {
    bucket: 'logs',
    prefix: 'a/b/',
    origin: 'http://127.0.0.1:9000',
    region: 'eu-west-1',
  })
  assert.deepEqual(parseObjectsUrl('s3://logs?endpoint=https%3A%2F%2Fminio.example%3A9443', {}), {
    bucket: 'logs',
    prefix: '',
    origin: 'https://minio.example:9443',
    region: 'us-east-1',
  })
  assert.equal(parseObjectsUrl('s3://logs', { AWS_REGION: 'eu-central-1' }).origin, 'https://s3.eu-central-1.amazonaws.com')
  assert.equal(parseObjectsUrl('s3://logs?region=cn-north-1', {}).origin, 'https://s3.cn-north-1.amazonaws.com.cn')
})

const wrong: readonly (readonly [url: string, error: RegExp])[] = [
  ['', /must look like s3:/],
  ['https://bucket', /must look like s3:/],
  ['s3://', /must look like|3 to 63/],
  ['s3://a?region=x', /the bucket "a" must have 3 to 63/],
  ['s3://logs', /add region=… or endpoint=…/],
  ['s3://logs:9000/?region=x', /neither port/],
  ['s3://logs?endpont=http://x', /unknown parameter endpont; allowed: endpoint, region/],
  ['s3://logs?endpoint=', /endpoint is empty/],
  ['s3://logs?endpoint=127.0.0.1:9000', /must begin with https:\/\/ or http/],
  ['s3://logs?endpoint=http://x/path', /only scheme, host and port/],
  ['s3://logs?region=a/b', /the region "a\/b"/],
  ['s3://logs/a//b?region=x', /single slashes/],
  ['s3://logs/a%20b?region=x', /the prefix "a%20b"/],
]
for (const [url, error] of wrong) test(`refused: ${url}`, () => assert.throws(() => parseObjectsUrl(url, {}), error))

const leaking = [
  's3://key:hunter2@logs?region=x',
  's3://key:hun/hunter2@logs?region=x',
  's3://logs?endpoint=http://key:hunter2@host',
  's3://logs?endpoint=key:hunter2@host',
  's3://logs?endpoint=http://key:hun/hunter2@host',
  's3://logs?aws_secret_access_key=hunter2',
  's3://Logs?endpoint=http://host&password=hunter2',
  'https://key:hunter2@logs',
]
for (const url of leaking)
  test(`no error shows credentials: ${url}`, () => {
    const says = (error: Error) => error.message.startsWith('the URL of the object store is wrong: ') && !error.message.includes('hunter')
    assert.throws(() => parseObjectsUrl(url, {}), says)
  })

test('object names are those that nothing encodes or resolves', () => {
  for (const name of ['a', 'a/b.c_d-E/0', `${'x'.repeat(900)}`]) assert.ok(objectNameAllowed(name), name)
  for (const name of ['', '/', 'a/', '/a', 'a//b', '..', 'a/../b', './a', 'a b', 'ü', 'a+b', 'x'.repeat(901)])
    assert.ok(!objectNameAllowed(name), name)
})
