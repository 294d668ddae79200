/** Finds topics, groups, subjects, connectors, triggers and pages by name. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type LinkProps, useNavigate } from '@tanstack/react-router'
import { Dialog } from 'radix-ui'
import { type KeyboardEvent, useState } from 'react'
import { asked } from '../api.ts'
import dialog from '../ui/dialog.module.css'
import css from './palette.module.css'

interface Found {
  kind: string
  name: string
  to: Pick<LinkProps, 'to' | 'params'>
}

const pages: readonly Found[] = [
  { kind: 'page', name: 'Overview', to: { to: '/' } },
  { kind: 'page', name: 'Topics', to: { to: '/topics' } },
  { kind: 'page', name: 'Groups', to: { to: '/groups' } },
  { kind: 'page', name: 'Schemas', to: { to: '/schemas' } },
  { kind: 'page', name: 'Connectors', to: { to: '/connectors' } },
  { kind: 'page', name: 'New connector', to: { to: '/create-connector' } },
  { kind: 'page', name: 'Triggers', to: { to: '/triggers' } },
  { kind: 'page', name: 'New trigger', to: { to: '/create-trigger' } },
  { kind: 'page', name: 'Transactions', to: { to: '/transactions' } },
  { kind: 'page', name: 'Access (ACLs)', to: { to: '/security/acls' } },
  { kind: 'page', name: 'Users', to: { to: '/security/users' } },
  { kind: 'page', name: 'Quotas', to: { to: '/security/quotas' } },
  { kind: 'page', name: 'Tokens', to: { to: '/security/tokens' } },
  { kind: 'page', name: 'Brokers', to: { to: '/brokers' } },
  { kind: 'page', name: 'Client metrics', to: { to: '/client-metrics' } },
  { kind: 'page', name: 'Settings', to: { to: '/settings' } },
]

export function Palette({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className={dialog['shade']} />
        <Dialog.Content className={`${dialog['dialog']} ${css['palette']}`} aria-describedby={undefined}>
          <Dialog.Title className={css['title']}>Search</Dialog.Title>
          <Finder close={() => onOpenChange(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Finder({ close }: { close: () => void }) {
  const [search, setSearch] = useState('')
  const [chosen, setChosen] = useState(0)
  const navigate = useNavigate()
  const names = useQuery({ ...asked('GET /names', { query: { search } }), placeholderData: keepPreviousData })
  const found: Found[] = [
    ...pages.filter(each => each.name.toLowerCase().includes(search.toLowerCase())),
    ...(names.data?.topics ?? []).map((name): Found => ({ kind: 'topic', name, to: { to: '/topics/$topic', params: { topic: name } } })),
    ...(names.data?.subjects ?? []).map(
      (name): Found => ({ kind: 'schema', name, to: { to: '/schemas/$subject', params: { subject: name } } }),
    ),
    ...(names.data?.connectors ?? []).map(
      (name): Found => ({ kind: 'connector', name, to: { to: '/connectors/$connector', params: { connector: name } } }),
    ),
    ...(names.data?.triggers ?? []).map(
      (name): Found => ({ kind: 'trigger', name, to: { to: '/triggers/$trigger', params: { trigger: name } } }),
    ),
    ...(names.data?.groups ?? []).map((name): Found => ({ kind: 'group', name, to: { to: '/groups/$group', params: { group: name } } })),
  ]
  const at = Math.min(chosen, Math.max(found.length - 1, 0))
  const go = ({ to }: Found) => {
    close()
    void navigate(to as LinkProps)
  }
  const press = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (by !== undefined) {
      event.preventDefault()
      setChosen((at + by + found.length) % Math.max(found.length, 1))
    } else if (event.key === 'Enter' && found[at] !== undefined) go(found[at])
  }
  return (
    <>
      <input
        className={css['input']}
        role="combobox"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={`found-${at}`}
        aria-label="Name of a topic, group or page"
        placeholder="Topic, group or page"
        value={search}
        onChange={event => {
          setSearch(event.target.value)
          setChosen(0)
        }}
        onKeyDown={press}
      />
      <div id="found" role="listbox" aria-label="Found" className={css['found']} tabIndex={-1}>
        {found.map((each, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input listens to keys
          <div
            key={`${each.kind} ${each.name}`}
            id={`found-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className={css['option']}
            onClick={() => go(each)}
          >
            <span>{each.name}</span>
            <span className={css['kind']}>{each.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className={css['none']}>Nothing has this name.</p>}
    </>
  )
}
