/** What a share group has in hand, as far as Kafka's protocol tells, and what it does not tell. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count, counted, duration } from '../format.ts'
import { Content } from '../ui/page.tsx'
import { Empty, Failed, Loading, Partial } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import css from './overview.module.css'

type Delivery = Output<'GET /groups/:group/share'>

const here = getRouteApi('/groups/$group/share')

export function GroupShare() {
  const { group } = here.useParams()
  const found = useQuery({ ...asked('GET /groups/:group/share', { params: { group } }), refetchInterval: 5_000 })
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs={`DESCRIBE on the group ${group}`} />
  const { partitions, missing } = found.data
  return (
    <>
      <Partial missing={missing} />
      <Content>
        {partitions.length === 0 ? (
          <Empty title="This group has not begun to read a partition" />
        ) : (
          <Table
            label={`Delivery of ${group}`}
            heads={['Topic', 'Partition', 'Settled up to', 'Settled beyond', 'Not settled', 'End']}
            right={[1, 2, 3, 4, 5]}
            rows={partitions.map(({ topic, partition, start, end, left, ahead }) => [
              <Link key="topic" to="/topics/$topic" params={{ topic }}>
                {topic}
              </Link>,
              partition,
              count(start),
              count(ahead),
              count(left),
              count(end),
            ])}
          />
        )}
        <Limits delivery={found.data} group={group} />
      </Content>
    </>
  )
}

function Limits({ delivery: { limits, deadLetters }, group }: { delivery: Delivery; group: string }) {
  const value = (name: string) => limits.find(each => each.name === name)?.value ?? null
  const [most, lockMs, locks] = [
    value('share.delivery.count.limit'),
    value('share.record.lock.duration.ms'),
    value('share.partition.max.record.locks'),
  ]
  return (
    <section aria-label="Limits" className={css['prose']}>
      <p>
        A record is settled when a member has accepted or rejected it, or when it was given up. Those settled beyond wait for an earlier
        record of their partition. Of those not settled,
        {locks === null ? ' some ' : ` up to ${count(locks)} of a partition `}
        are in flight: a member has them
        {lockMs === null ? ' for a limited time' : ` for at most ${duration(Number(lockMs))}`}.
        {most !== null && ` A record is delivered at most ${counted(most, 'time')}.`}
      </p>
      <p>
        {deadLetters === null ? (
          'What is rejected or delivered too often is given up: this group has no dead-letter topic (errors.deadletterqueue.topic.name).'
        ) : (
          <>
            What is rejected or delivered too often goes to{' '}
            <Link
              to="/topics/$topic/messages"
              params={{ topic: deadLetters.topic }}
              search={{ header: '__dlq.errors.group', headerHas: group }}
            >
              {deadLetters.topic}
            </Link>
            {deadLetters.records === null ? ', which cannot be seen.' : `, which has ${counted(deadLetters.records, 'record')}.`}
          </>
        )}
      </p>
      <p className={css['note']}>
        Kafka’s protocol does not tell which records a member has now, nor how often each was delivered. What the group has stored of
        records that came back is in{' '}
        <Link to="/topics/$topic/messages" params={{ topic: '__share_group_state' }} search={{ contains: group }}>
          __share_group_state
        </Link>
        , with their delivery counts.
      </p>
    </section>
  )
}
