/**
 * The built application, in memory: all of it is smaller than a megabyte, and no request then waits for the disk. It is compressed when it is built.
 * The page names a nonce, made anew for each, because libraries of the application add style sheets.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { System } from '../base.ts'
import type { HttpApp } from '../http.ts'

interface Asset {
  readonly type: string
  readonly etag: string
  readonly plain: Buffer
  readonly br: Buffer | null
  readonly gzip: Buffer | null
}

interface Application {
  /** Without hashed name: the page of all places of the application. */
  readonly index: string
  /** By path, without the slash. */
  readonly assets: ReadonlyMap<string, Asset>
}

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
  png: 'image/png',
  json: 'application/json',
}

const isSource = import.meta.url.endsWith('.ts')
const directory = fileURLToPath(new URL(isSource ? '../../dist/console/app/' : './app/', import.meta.url))
const noncePlace = '__NONCE__'

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Millrace console</title>
<h1>The console has not been built</h1><p>Run <code>npm run build:console</code> and reload this page. The API below <code>/api</code> works without it.</p></html>`

/** For every path that no other route has. */
export function serveApplication(app: HttpApp, { files, random }: Pick<System, 'files' | 'random'>): void {
  const application = load(files)
  app.get('/*', (request, reply) => {
    const path = request.url.slice(1).split('?', 1)[0]!
    const asset = application?.assets.get(path)
    return asset === undefined ? sendIndex(reply, application?.index ?? notBuilt, random) : sendAsset(request, reply, path, asset)
  })
}

/** null: it has not been built. */
function load(files: System['files']): Application | null {
  const index = files.exists(join(directory, 'index.html')) ? files.readFile(join(directory, 'index.html')) : null
  if (index === null) return null
  const assets = new Map<string, Asset>()
  const visit = (below: string) => {
    for (const { name, kind } of files.list(join(directory, below))) {
      const path = below === '' ? name : `${below}/${name}`
      const type = types[name.slice(name.lastIndexOf('.') + 1)]
      if (kind === 'directory') visit(path)
      else if (type !== undefined) assets.set(path, assetOf(files, path, type))
    }
  }
  visit('')
  return { index: index.toString('utf8'), assets }
}

function assetOf(files: System['files'], path: string, type: string): Asset {
  const plain = files.readFile(join(directory, path))!
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { type, etag, plain, br: files.readFile(join(directory, `${path}.br`)), gzip: files.readFile(join(directory, `${path}.gz`)) }
}

function sendAsset(request: FastifyRequest, reply: FastifyReply, path: string, { type, etag, plain, br, gzip }: Asset): FastifyReply {
  const hashed = path.startsWith('assets/')
  reply.headers({
    'content-type': type,
    'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    vary: 'accept-encoding',
  })
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  const accepted = request.headers['accept-encoding'] ?? ''
  if (br !== null && /\bbr\b/.test(accepted)) return reply.header('content-encoding', 'br').send(br)
  if (gzip !== null && /\bgzip\b/.test(accepted)) return reply.header('content-encoding', 'gzip').send(gzip)
  return reply.send(plain)
}

function sendIndex(reply: FastifyReply, index: string, random: System['random']): FastifyReply {
  const bytes = Buffer.alloc(18)
  random.fill(bytes)
  const nonce = bytes.toString('base64url')
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ]
  return reply
    .headers({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': policy.join('; ') })
    .send(index.replaceAll(noncePlace, nonce))
}
