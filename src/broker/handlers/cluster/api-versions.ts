/**
 * ApiVersions, v0–5.
 *
 * Announces the supported APIs. v3 contains the client's software name (KIP-511) and returns feature levels (KIP-584). An unknown
 * version is answered in v0 with UNSUPPORTED_VERSION and the versions of only this API, so that newer clients can fall back. v4 can
 * return features whose minimum is 0; in v5 a client says which broker it expects, and gets an error if it reached another one (KIP-1242).
 */
import { cutText } from '../../../base.ts'
import { supportedFeatures } from '../../../coordinator.ts'
import { apis, errorCode, type InputOf, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type Handler, type RequestContext } from '../../dispatch/handler.ts'

type Response = InputOf<typeof apis.apiVersions.response>

const softwarePattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
/** For each connection. */
const longestKept = 256
const versions = [0, 5] as const
const self = { apiKey: apis.apiVersions.key, minVersion: versions[0], maxVersion: versions[1] }

/** `others`: all handlers but this one. */
export function apiVersionsHandler(others: readonly Handler[]): Handler {
  const apiKeys = others.map(({ api, versions: [minVersion, maxVersion] }) => ({ apiKey: api.key, minVersion, maxVersion }))
  apiKeys.push(self)
  apiKeys.sort((a, b) => a.apiKey - b.apiKey)
  return defineHandler<typeof apis.apiVersions>({
    api: apis.apiVersions,
    versions,
    access: 'none',
    cost: oneThing,
    handle(request, context) {
      if (context.version >= 3) {
        const { clientSoftwareName, clientSoftwareVersion } = request
        if (!softwarePattern.test(clientSoftwareName) || !softwarePattern.test(clientSoftwareVersion)) {
          throw new KafkaError('INVALID_REQUEST', 'clientSoftwareName or clientSoftwareVersion is not valid')
        }
        context.connection.clientSoftwareName = cutText(clientSoftwareName, longestKept)
        context.connection.clientSoftwareVersion = cutText(clientSoftwareVersion, longestKept)
      }
      const { self: broker } = context.broker
      const elsewhere =
        (request.clusterId !== null && request.clusterId !== broker.clusterId) || (request.nodeId !== -1 && request.nodeId !== broker.id)
      if (context.version >= 5 && elsewhere) throw new KafkaError('REBOOTSTRAP_REQUIRED', 'The client expected another broker.')
      return announce(apiKeys, context)
    },
    fail: (_request, error) => ({
      errorCode: error.code,
      apiKeys: error.code === errorCode('UNSUPPORTED_VERSION') ? [self] : [],
      throttleTimeMs: 0,
    }),
  })
}

/** Kafka offers them only with a plug-in for the metrics; Millrace only if a subscription requests any, because clients log it when they are offered. */
const telemetryKeys: ReadonlySet<number> = new Set([apis.getTelemetrySubscriptions.key, apis.pushTelemetry.key])

function announce(all: Response['apiKeys'], context: RequestContext): Response {
  const apiKeys = context.broker.telemetry.wanted ? all : all.filter(({ apiKey }) => !telemetryKeys.has(apiKey))
  const { epoch, levels } = context.broker.metadata.finalizedFeatures()
  // Clients of v3 take a minimum of 0 for an error (KAFKA-17011).
  const least = context.version >= 4 ? 0 : 1
  return {
    errorCode: 0,
    apiKeys,
    throttleTimeMs: 0,
    supportedFeatures: supportedFeatures.map(feature => ({ ...feature, minVersion: Math.max(feature.minVersion, least) })),
    finalizedFeaturesEpoch: epoch,
    finalizedFeatures: [...levels]
      .filter(([, level]) => level > 0)
      .map(([name, level]) => ({ name, minVersionLevel: level, maxVersionLevel: level })),
  }
}
