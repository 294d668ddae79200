/** What the keys of the S3 sink and the S3 source cannot say alone. */

import { checkStorage } from '../storage/check.ts'
import type { ConnectionConfig } from './client.ts'
import type { S3Config } from './sink.ts'

export function connectionCheck(config: ConnectionConfig): Map<string, string> {
  const refused = new Map<string, string>()
  if ((config['aws.access.key.id'] === '') !== (config['aws.secret.access.key'] === null))
    refused.set('aws.access.key.id', 'aws.access.key.id and aws.secret.access.key go together')
  const customerKey = config['s3.sse.customer.key']
  if (customerKey !== null && Buffer.from(customerKey, 'base64').length !== 32)
    refused.set('s3.sse.customer.key', 'must be 32 bytes in base64')
  return refused
}

export function storageCheck(config: S3Config): ReadonlyMap<string, string> {
  const refused = new Map([...connectionCheck(config), ...checkStorage(config)])
  if (config['s3.compression.type'] === 'gzip' && config['s3.compression.level'] > 9)
    refused.set('s3.compression.level', 'gzip has the levels 0 to 9')
  return refused
}
