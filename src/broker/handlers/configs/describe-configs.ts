/**
 * DescribeConfigs, v0–4.
 *
 * v1 returns sources and synonyms (KIP-226), v3 types and documentation (KIP-569). Resources: topics, this broker, all brokers (empty name:
 * only dynamic configs), the broker's logger (KIP-412), groups (KIP-848) and client metrics subscriptions (KIP-714). They
 * fail individually. An empty list of keys, like null, means all keys.
 */
import { inSlices } from '../../../base.ts'
import { topicNameProblem } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import {
  checkBrokerId,
  type Described,
  describeAllBrokers,
  describeBroker,
  describeClientMetrics,
  describeGroup,
  describeLogger,
  describeTopicConfigs,
  sourceIds,
} from '../../config.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizeConfigs, resourceKind } from './config-resources.ts'
import { kafkaLevel } from './kafka-levels.ts'

type Request = MessageOf<typeof apis.describeConfigs.request>
type Resource = Request['resources'][number]
type Result = InputOf<typeof apis.describeConfigs.response>['results'][number]

/** Of a topic; a broker has more. */
const typicalKeys = 40

export const describeConfigs = defineHandler<typeof apis.describeConfigs>({
  api: apis.describeConfigs,
  versions: [0, 4],
  access: [
    ['TOPIC', 'DESCRIBE_CONFIGS'],
    ['GROUP', 'DESCRIBE_CONFIGS'],
    ['CLUSTER', 'DESCRIBE_CONFIGS'],
  ],
  cost: manyThings(function* (request) {
    request.resources = yield* distinct(request.resources, ({ resourceType, resourceName }) => `${resourceType} ${resourceName}`)
  }),
  async handle(request, context) {
    await context.expects(request.resources.reduce((total, { configurationKeys }) => total + (configurationKeys?.length || typicalKeys), 0))
    const results = await inSlices(context.broker.turns, request.resources, resource => describeResource(resource, request, context))
    return { throttleTimeMs: 0, results }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, results: yield* resultsOf(request.resources, resource => failure(resource, error.code, error.message)) }
  },
})

function describeResource(resource: Resource, request: Request, context: RequestContext): Result {
  let entries: readonly Described[] | null
  try {
    entries = entriesOf(resource, context)
  } catch (error) {
    if (error instanceof KafkaError) return failure(resource, error.code, error.message)
    throw error
  }
  const { configurationKeys } = resource
  const wanted = configurationKeys === null || configurationKeys.length === 0 ? null : new Set(configurationKeys)
  return {
    errorCode: 0,
    errorMessage: null,
    resourceType: resource.resourceType,
    resourceName: resource.resourceName,
    configs: (wanted === null ? entries : entries.filter(({ name }) => wanted.has(name))).map(entry => ({
      ...entry,
      // v0 knows only whether a value is the default; later versions tell where it comes from.
      ...(context.version === 0 ? { isDefault: entry.configSource === sourceIds.DEFAULT_CONFIG } : {}),
      synonyms: request.includeSynonyms ? entry.synonyms : [],
      documentation: request.includeDocumentation ? entry.documentation : null,
    })),
  }
}

function entriesOf({ resourceType, resourceName: name }: Resource, context: RequestContext): readonly Described[] {
  const { config, metadata, logger } = context.broker
  const kind = resourceKind(resourceType)
  if (kind === undefined) throw invalid(`Unexpected resource type UNKNOWN for resource ${name}`)
  authorizeConfigs(context, 'DESCRIBE_CONFIGS', kind, name)
  switch (kind) {
    case 'TOPIC': {
      const problem = topicNameProblem(name)
      if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
      if (metadata.topic(name) === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${name}' does not exist.`)
      return describeTopicConfigs(config, metadata.configs('TOPIC', name))
    }
    case 'BROKER':
      if (name === '') return describeAllBrokers(config)
      checkBrokerId(config, name, 'Broker')
      return describeBroker(config)
    case 'BROKER_LOGGER': {
      if (name === '') throw invalid('Broker id must not be empty')
      checkBrokerId(config, name, 'Broker')
      const level = kafkaLevel(logger)
      return level === null ? [] : [describeLogger(level)]
    }
    case 'GROUP':
      if (name === '') throw invalid('Group name must not be empty')
      return describeGroup(config, metadata.configs('GROUP', name))
    case 'CLIENT_METRICS':
      if (name === '') throw invalid('Client metrics subscription name must not be empty')
      return describeClientMetrics(metadata.configs('CLIENT_METRICS', name))
  }
}

function failure({ resourceType, resourceName }: Resource, errorCode: number, errorMessage: string): Result {
  return { errorCode, errorMessage, resourceType, resourceName, configs: [] }
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}
