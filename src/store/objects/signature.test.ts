import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyHash, queryOf, Signer } from './signature.ts'

/** The examples in AWS's documentation of Signature Version 4 for S3. */
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: null,
  expiresAtMs: null,
}
const host = 'examplebucket.s3.amazonaws.com'
const atMs = Date.UTC(2013, 4, 24)

function signatureOf(method: string, path: string, query: string, headers: Record<string, string> = {}): string {
  const signed = new Signer('us-east-1').sign({ method, host, path, query, headers, payloadHash: emptyHash }, credentials, atMs)
  return signed['authorization']!.replace(/^.*Signature=/, '')
}

test('requests are signed as in the documentation', () => {
  assert.equal(
    signatureOf('GET', '/test.txt', '', { range: 'bytes=0-9' }),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
  assert.equal(signatureOf('GET', '/', 'lifecycle='), 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')
  assert.equal(
    signatureOf('GET', '/', queryOf({ prefix: 'J', 'max-keys': 2 })),
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  )
})

test('a key is derived anew for another day, secret or region', () => {
  const signer = new Signer('us-east-1')
  const sign = (secretAccessKey: string, at: number) =>
    signer.sign(
      { method: 'GET', host, path: '/', query: '', headers: {}, payloadHash: emptyHash },
      { ...credentials, secretAccessKey },
      at,
    )['authorization']
  const first = sign('a', atMs)
  assert.notEqual(sign('b', atMs), first)
  assert.notEqual(sign('a', atMs + 86_400_000), first)
  assert.equal(sign('a', atMs), first)
})

test('a session token is sent and signed', () => {
  const withToken = { ...credentials, sessionToken: 'token' }
  const signed = new Signer('us-east-1').sign(
    { method: 'GET', host, path: '/', query: '', headers: {}, payloadHash: emptyHash },
    withToken,
    atMs,
  )
  assert.equal(signed['x-amz-security-token'], 'token')
  assert.match(signed['authorization']!, /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/)
})

test('a query is encoded and sorted as S3 does it', () => {
  assert.equal(queryOf({ prefix: "a b/'(ü)*", 'list-type': 2, none: undefined }), 'list-type=2&prefix=a%20b%2F%27%28%C3%BC%29%2A')
})
