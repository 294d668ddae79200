/** The cluster at a glance: what is wrong now, in words, then how much there is of what. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { bytes, count, counted } from '../format.ts'
import { Mark } from '../ui/mark.tsx'
import { Page } from '../ui/page.tsx'
import { Failed, Loading } from '../ui/states.tsx'
import { BrokerTable } from './broker-table.tsx'
import { CreateTopic } from './create-topic.tsx'
import { History } from './history.tsx'
import css from './overview.module.css'

export function Overview() {
  const overview = useQuery({ ...asked('GET /overview', {}), refetchInterval: 5_000 })
  const session = useQuery(asked('GET /session', {}))
  if (overview.isPending)
    return (
      <Page title="Overview">
        <Loading />
      </Page>
    )
  if (overview.data === undefined)
    return (
      <Page title="Overview">
        <Failed error={overview.error} retry={() => void overview.refetch()} />
      </Page>
    )
  const {
    topics,
    ownTopics,
    partitions,
    underReplicated,
    offline,
    groups,
    groupStates,
    bytes: size,
    troubles,
    moreTroubles,
  } = overview.data
  const states = Object.entries(groupStates).map(([state, number]) => `${count(number)} ${state.toLowerCase()}`)
  return (
    <Page title="Overview" facts={session.data === undefined ? [] : [`cluster ${session.data.cluster}`]}>
      <div className={css['overview']}>
        <section className={css['troubles']} aria-label="What is wrong now">
          {troubles.length === 0 ? (
            <Mark tone="good">All is well: all partitions have a leader, and all their replicas are in sync.</Mark>
          ) : (
            <ul>
              {troubles.map(({ kind, name, text, bad }) => (
                <li key={`${kind} ${name}`}>
                  <Mark tone={bad ? 'bad' : 'warn'}>{bad ? 'Error:' : 'Warning:'}</Mark> <Culprit kind={kind} name={name} />: {text}
                </li>
              ))}
              {moreTroubles > 0 && <li>… and {count(moreTroubles)} others</li>}
            </ul>
          )}
        </section>
        {ownTopics === 0 && <Begin />}
        <section className={css['tiles']} aria-label="How much there is">
          <Tile title="Topics" value={count(topics)} note={counted(partitions, 'partition')} to="/topics" />
          <Tile title="Groups" value={count(groups)} note={states.join(', ') || 'none yet'} to="/groups" />
          <Tile title="On disk" value={bytes(size)} note={size === null ? 'not known' : `${count(size)} bytes`} />
          <Tile title="Without leader" value={count(offline)} note={`${count(underReplicated)} under-replicated`} />
        </section>
        <History />
        <div>
          <h2 className={css['heading']}>Brokers</h2>
          <BrokerTable brokers={session.data?.brokers ?? []} />
        </div>
      </div>
    </Page>
  )
}

/** For who has just started it. */
function Begin() {
  return (
    <section className={css['begin']} aria-label="Where to begin">
      <p>
        <strong>There are no topics yet.</strong> A topic holds records, in the order in which they were produced. Create one, produce a
        record to it, and watch it arrive.
      </p>
      <CreateTopic />
    </section>
  )
}

function Culprit({ kind, name }: { kind: Output<'GET /overview'>['troubles'][number]['kind']; name: string }) {
  if (kind === 'topic')
    return (
      <Link to="/topics/$topic/partitions" params={{ topic: name }}>
        {name}
      </Link>
    )
  if (kind === 'group')
    return (
      <Link to="/groups/$group/lag" params={{ group: name }}>
        {name}
      </Link>
    )
  if (kind === 'connector')
    return (
      <Link to="/connectors/$connector" params={{ connector: name }}>
        {name}
      </Link>
    )
  if (kind === 'trigger')
    return (
      <Link to="/triggers/$trigger" params={{ trigger: name }}>
        {name}
      </Link>
    )
  if (kind === 'service') return <Link to={name === 'Triggers' ? '/triggers' : '/connectors'}>{name}</Link>
  return <Link to="/brokers">{name}</Link>
}

function Tile({ title, value, note, to }: { title: string; value: string; note: string; to?: '/topics' | '/groups' }) {
  const content = (
    <>
      <span className={css['name']}>{title}</span>
      <span className={css['value']}>{value}</span>
      <span className={css['note']}>{note}</span>
    </>
  )
  if (to === undefined) return <div className={css['tile']}>{content}</div>
  return (
    <Link to={to} className={css['tile']}>
      {content}
    </Link>
  )
}
