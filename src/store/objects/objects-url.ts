/** Parses `s3://bucket/prefix?endpoint=…&region=…`. Each error names the part that is wrong, and what is allowed. */

export interface ObjectsUrl {
  readonly bucket: string
  /** '' or ends with a slash. */
  readonly prefix: string
  /** `https://host:port` */
  readonly origin: string
  readonly region: string
}

const parameters = ['endpoint', 'region'] as const

/** `environment`: for AWS_REGION and AWS_DEFAULT_REGION, where the URL has no region. Throws an error that says what to write. */
export function parseObjectsUrl(text: string, environment: Readonly<Record<string, string | undefined>>): ObjectsUrl {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.protocol !== 's3:') throw bad(text, 'it must look like s3://bucket/prefix?endpoint=https://host:port&region=name')
  if (url.username !== '' || url.password !== '')
    throw bad(text, 'it must not hold credentials; they come from the environment, a file or the instance role')
  if (url.port !== '' || url.hash !== '') throw bad(text, 'a bucket has neither port nor fragment; give the server as endpoint=')
  const bucket = decodeURIComponent(url.hostname)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw bad(text, `the bucket "${bucket}" must have 3 to 63 lower-case letters, digits, dots and hyphens`)
  for (const [name, value] of url.searchParams) {
    if (!parameters.some(each => each === name)) throw bad(text, `unknown parameter ${name}; allowed: ${parameters.join(', ')}`)
    if (value === '') throw bad(text, `${name} is empty`)
  }
  const endpoint = url.searchParams.get('endpoint')
  const region = url.searchParams.get('region') ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? ''
  if (region === '' && endpoint === null) throw bad(text, 'add region=… or endpoint=…, or set AWS_REGION')
  if (!/^[a-z0-9-]*$/i.test(region)) throw bad(text, `the region "${region}" must have only letters, digits and hyphens`)
  return {
    bucket,
    prefix: prefixOf(text, url.pathname),
    origin: endpoint === null ? amazon(region) : originOf(text, endpoint),
    region: region === '' ? 'us-east-1' : region,
  }
}

function prefixOf(text: string, path: string): string {
  const prefix = path.replace(/^\/+|\/+$/g, '')
  if (prefix === '') return ''
  if (!/^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/.test(prefix) || /(?:^|\/)\.\.?(?:\/|$)/.test(prefix) || prefix.length > 100)
    throw bad(text, `the prefix "${prefix}" must have at most 100 letters, digits, '.', '_', '-', with single slashes between`)
  return `${prefix}/`
}

function originOf(text: string, endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw bad(text, 'the endpoint must begin with https:// or http://')
  if (url.username !== '' || url.password !== '') throw bad(text, 'the endpoint must not hold credentials')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw bad(text, 'the endpoint must be only scheme, host and port')
  return url.origin
}

function amazon(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function bad(text: string, reason: string): Error {
  return new Error(`the URL of the object store is wrong: ${reason} (it is ${shown(text)})`)
}

/** Without what may be a credential that somebody wrote into it. */
function shown(text: string): string {
  const at = text.lastIndexOf('@')
  return (at === -1 ? text : `…${text.slice(at)}`).replace(/\?.*/s, '')
}
