/** Keys of Confluent's Elasticsearch sink and of Aiven's OpenSearch sink that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^proxy\.(?:host|username|password)$/, why: 'requests go through no proxy' },
  { key: /^kerberos\..+$/, why: 'Kerberos is not there; use connection.username and connection.password' },
  { key: /^aws\..+$/, why: "requests are not signed for Amazon; use a login of OpenSearch's own" },
  { key: /^data\.stream\.enabled$/, why: 'data.stream.type and data.stream.dataset name data streams', unless: ['', 'false'] },
  { key: /^data\.stream\.prefix$/, why: 'data.stream.dataset and data.stream.namespace name the stream' },
  { key: /^index\.write\.method$/, why: 'give it as write.method', unless: ['', 'insert'] },
  {
    key: /^key\.ignore\.id\.strategy$/,
    why: 'with key.ignore, ids are topic, partition and offset',
    unless: ['', 'topic.partition.offset'],
  },
  { key: /^behavior\.on\.version\.conflict$/, why: 'external versions decide: the newer one stays', unless: ['', 'ignore'] },
  { key: /^routing\.type$/, why: 'documents have no routing of their own', unless: ['', 'none'] },
  { key: /^(?:topic\.to\.)?existing\.resource\..+$/, why: 'give it as external.resource.usage and topic.to.external.resource.mapping' },
  { key: /^trust\.all\.certificates$/, why: 'give elastic.https.ssl.truststore.location', unless: ['', 'false'] },
]
