import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { simulatedWorld } from '../../../sim/world/world.ts'
import { openObjectStore } from '../../store.ts'
import type { HttpRequest } from './transport.ts'

/** The headers of the PUT of some bytes. */
async function headersOfPut(endpoint: string, content: Buffer): Promise<HttpRequest['headers']> {
  const { system } = simulatedWorld({ seed: 1 })
  const sent: HttpRequest[] = []
  const transport = {
    async send(request: HttpRequest) {
      sent.push(request)
      return { status: 200, headers: {}, body: Buffer.alloc(0) }
    },
    close() {},
  }
  const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' }
  const store = openObjectStore({ system, url: `s3://bucket/prefix?endpoint=${endpoint}`, environment, transport })
  await store.put('1/a', [content])
  store.close()
  return sent[0]!.headers
}

const content = Buffer.from('some bytes')

test('in clear text over a network the signature covers the content', async () => {
  const hash = createHash('sha256').update(content).digest('hex')
  for (const endpoint of ['http://minio:9000', 'http://10.0.0.1:9000', 'http://127.0.0.1.example:9000', 'http://[::2]:9000'])
    assert.equal((await headersOfPut(endpoint, content))['x-amz-content-sha256'], hash, endpoint)
})

test('where nobody can be on the way, the content has only a checksum', async () => {
  for (const endpoint of [
    'https://minio:9000',
    'http://127.0.0.1:9000',
    'http://127.1.2.3:9000',
    'http://localhost:9000',
    'http://[::1]:9000',
  ]) {
    const headers = await headersOfPut(endpoint, content)
    assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD', endpoint)
    assert.equal(headers['x-amz-checksum-crc32c'], '9s1VQw==', endpoint)
  }
})

test('a secret that was replaced under the same key is read again at once', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { system } = world
  const run = <T>(work: Promise<T>) => world.run(work)
  const path = '/credentials'
  const write = (secret: string) =>
    system.files.replaceFile(path, Buffer.from(`[default]\naws_access_key_id = a\naws_secret_access_key = ${secret}\n`))
  const signatures = new Set<string>()
  let isRotated = false
  const transport = {
    async send({ headers }: HttpRequest) {
      const signature = headers['authorization']!
      const known = signatures.size
      signatures.add(signature.replace(/.*Signature=/, ''))
      const isNew = isRotated && signatures.size > known
      const body = isNew || !isRotated ? '' : '<Error><Code>SignatureDoesNotMatch</Code><Message>No</Message></Error>'
      return { status: body === '' ? 200 : 403, headers: {}, body: Buffer.from(body) }
    },
    close() {},
  }
  const environment = { AWS_SHARED_CREDENTIALS_FILE: path }
  const store = openObjectStore({ system, url: 's3://bucket/prefix?endpoint=https://s3.test', environment, transport })
  await run(write('first'))
  await run(store.put('1/a', [content]))
  isRotated = true
  await run(write('second'))
  await run(store.put('1/a', [content]))
  store.close()
})
