/**
 * The broker's counters: plain numbers, because they are updated for every request. `exposition.ts` names them and writes them for
 * Prometheus.
 */
import { Durations } from '../base.ts'

export interface TopicCounts {
  messagesIn: number
  bytesIn: number
  bytesOut: number
  produceRequests: number
  fetchRequests: number
  failedProduceRequests: number
  failedFetchRequests: number
}

/** Of a share group's dead-letter queue. */
export interface DeadLetterCounts {
  letters: number
  /** Appends of batches of them. */
  appends: number
  /** Runs of records whose letters were given up: the records are archived without. */
  givenUp: number
}

export interface RequestCounts {
  errors: number
  /** Between the end of the request's last byte and the hand-over of its reply. */
  readonly durations: Durations
}

export interface ConnectionCounts {
  readonly listener: string
  bytesIn: number
  bytesOut: number
}

export class BrokerMetrics {
  readonly topics = new Map<string, TopicCounts>()
  /** Over all topics, those that were deleted too: a counter must never go back. */
  readonly allTopics: TopicCounts = noCounts()
  readonly requests = new Map<string, RequestCounts>()
  /** By share group. */
  readonly deadLetters = new Map<string, DeadLetterCounts>()
  /** Open now. */
  readonly connections = new Set<ConnectionCounts>()
  /** Records of internal topics that could not be replayed, by topic. */
  readonly skippedRecords = new Map<string, number>()
  connectionsRefused = 0
  /** Throttled requests, and their total throttle time. */
  throttledRequests = 0
  throttledMs = 0
  /** Connections closed because of what they sent. */
  malformed = 0
  /** Connections closed because they held memory that others needed and made no progress. */
  closedForMemory = 0

  produced(topic: string, messages: number, bytes: number): void {
    const counts = this.topic(topic)
    const { allTopics } = this
    counts.produceRequests++
    counts.messagesIn += messages
    counts.bytesIn += bytes
    allTopics.produceRequests++
    allTopics.messagesIn += messages
    allTopics.bytesIn += bytes
  }

  produceFailed(topic: string): void {
    this.topic(topic).failedProduceRequests++
    this.allTopics.failedProduceRequests++
  }

  deadLettersOf(groupId: string): DeadLetterCounts {
    let counts = this.deadLetters.get(groupId)
    if (counts === undefined) this.deadLetters.set(groupId, (counts = { letters: 0, appends: 0, givenUp: 0 }))
    return counts
  }

  recordSkipped(topic: string): void {
    this.skippedRecords.set(topic, (this.skippedRecords.get(topic) ?? 0) + 1)
  }

  fetched(topic: string, bytes: number): void {
    const counts = this.topic(topic)
    const { allTopics } = this
    counts.fetchRequests++
    counts.bytesOut += bytes
    allTopics.fetchRequests++
    allTopics.bytesOut += bytes
  }

  fetchFailed(topic: string): void {
    this.topic(topic).failedFetchRequests++
    this.allTopics.failedFetchRequests++
  }

  request(api: string, elapsedMs: number): void {
    let counts = this.requests.get(api)
    if (counts === undefined) {
      counts = { errors: 0, durations: new Durations() }
      this.requests.set(api, counts)
    }
    counts.durations.add(elapsedMs)
  }

  requestFailed(api: string): void {
    const counts = this.requests.get(api)
    if (counts !== undefined) counts.errors++
  }

  throttled(delayMs: number): void {
    this.throttledRequests++
    this.throttledMs += delayMs
  }

  /** A deleted topic's series end. */
  forget(topic: string): void {
    this.topics.delete(topic)
  }

  topic(name: string): TopicCounts {
    let counts = this.topics.get(name)
    if (counts === undefined) {
      counts = noCounts()
      this.topics.set(name, counts)
    }
    return counts
  }
}

function noCounts(): TopicCounts {
  return {
    messagesIn: 0,
    bytesIn: 0,
    bytesOut: 0,
    produceRequests: 0,
    fetchRequests: 0,
    failedProduceRequests: 0,
    failedFetchRequests: 0,
  }
}
