/** Keys of Confluent's S3 sink that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  {
    key: /^store\.kafka\.(?:keys|headers)$/,
    why: 'keys and headers have no files of their own; let a transform, such as HeaderFrom or CelMap, put them into the value',
    unless: ['', 'false'],
  },
  { key: /^s3\.object\.tagging$/, why: 'objects have no tags', unless: ['', 'false'] },
  { key: /^s3\.proxy\..+$/, why: 'requests go through no proxy' },
  {
    key: /^(?:s3\.credentials\.provider\.sts\..+|s3\.credentials\.provider\.trusted\..+)$/,
    why: 'roles are taken from the environment, as the tools of Amazon do: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE or a profile',
  },
  { key: /^s3\.schema\.partition\.affix\.type$/, why: 'paths do not name the schema', unless: ['', 'NONE'] },
  { key: /^hive\.integration$/, why: 'there is no Hive; iceberg writes tables', unless: ['', 'false'] },
]
