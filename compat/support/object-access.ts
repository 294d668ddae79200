/** How a suite reaches an object server: by Amazon's library, and by the keys of the S3 connectors. */
import { S3Client } from '@aws-sdk/client-s3'
import type { Login, ObjectServer } from './object-servers.ts'

const region = 'us-east-1'

export interface ObjectAccess {
  readonly client: S3Client
  readonly config: Readonly<Record<string, string>>
}

export function accessTo({ port }: ObjectServer, { user, password, bucket }: Login): ObjectAccess {
  const endpoint = `http://127.0.0.1:${port}`
  return {
    client: new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId: user, secretAccessKey: password } }),
    config: {
      's3.bucket.name': bucket,
      's3.region': region,
      'store.url': endpoint,
      'aws.access.key.id': user,
      'aws.secret.access.key': password,
    },
  }
}
