/** `/v1/models`, `/v1/projects` and `/v1/sessions`. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI, { NotFoundError } from 'openai';
import type { z } from 'zod';
import {
  modelCapabilitiesSchema,
  type modelObjectSchema,
  type Project,
  projectSchema,
  projectsSchema,
  type SessionObject,
  sessionObjectSchema,
  sessionObjectsSchema,
  sessionStatsSchema,
} from '../../protocol/openai-views.js';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { createV1 } from './v1.js';

const world = useWorld();
let client: OpenAI;
beforeAll(() => {
  client = new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
});

const call = createV1(world);

const refused = (status: number, code: string, param: string) => ({
  status,
  body: { error: { code, param, details: { field: param } } },
});

describe('models', () => {
  test('are those of the CLI, with and without a running one', async () => {
    const alone = await client.models.list();
    const ids = alone.data.map(({ id }) => id);
    expect(ids).toContain('default');
    expect(alone.data[0]).toMatchObject({ object: 'model', created: 0, owned_by: 'anthropic' });
    const device = await world.connect();
    await device.request('streamStart', {
      prompt: scenario({ text: 'Up.' }),
      workingDirectory: world.daemon.project(),
    });
    await device.waitFor('streamComplete');
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(ids);
  });

  test('one is found by its id, and by the name that it stands for', async () => {
    const models = (await client.models.list()).data as z.infer<typeof modelObjectSchema>[];
    const alias = models.find((one) => one.resolved_id !== undefined && one.resolved_id !== one.id);
    expect(await client.models.retrieve('default')).toMatchObject({ id: 'default', object: 'model' });
    expect(await client.models.retrieve(String(alias?.resolved_id))).toMatchObject({ resolved_id: alias?.resolved_id });
    const unknown = client.models.retrieve('gpt-4o');
    await expect(unknown).rejects.toThrow(NotFoundError);
    await expect(client.models.retrieve('no/such model')).rejects.toMatchObject({ code: 'NOT_FOUND', param: 'id' });
  });

  test('what each can do', async () => {
    const { body } = await call('GET', '/models/capabilities');
    const { models, total } = modelCapabilitiesSchema.strict().parse(body);
    expect(models).toHaveLength(total);
    expect(models.some(({ effort_levels: levels }) => levels.length > 0)).toBe(true);
  });
});

describe('projects', () => {
  test('are created, listed and shown', async () => {
    const made = await call('POST', '/projects', { name: 'Fresh one' });
    expect(made.status).toBe(201);
    const project = projectSchema.strict().parse(made.body);
    expect(project).toMatchObject({ name: 'Fresh one', path: join(world.daemon.root, 'Fresh one'), is_active: false });
    expect(existsSync(project.path)).toBe(true);
    expect(await call('POST', '/projects', { path: project.path })).toEqual({ status: 200, body: project });
    expect(await call('GET', `/projects/${project.id}`)).toEqual({ status: 200, body: project });
    const { projects, total } = projectsSchema.strict().parse((await call('GET', '/projects?limit=200')).body);
    expect(projects).toContainEqual(project);
    expect(projects).toHaveLength(total);
    const second = projectsSchema.parse((await call('GET', '/projects?limit=1&offset=1')).body);
    expect(second).toMatchObject({ projects: [projects[1]], total, limit: 1, offset: 1, hasMore: total > 2 });
    const first = projectsSchema.parse((await call('GET', '/projects?limit=1')).body);
    const next = await call('GET', `/projects?limit=200&cursor=${first.nextCursor}`);
    expect(next.body).toEqual({ projects: projects.slice(1), total, limit: 200, hasMore: false });
    expect(await call('GET', `/sessions?cursor=${first.nextCursor}`)).toMatchObject(
      refused(400, 'INVALID_REQUEST', 'cursor'),
    );
  });

  test('a deeper path is created with the folders on its way', async () => {
    const path = join(world.daemon.root, 'deep', 'er');
    expect((await call('POST', '/projects', { path })).status).toBe(201);
    expect(existsSync(path)).toBe(true);
  });

  test('nothing is created outside, behind a link, or under a name that programs obey', async () => {
    symlinkSync('/tmp', join(world.daemon.root, 'out'));
    mkdirSync(join(world.daemon.root, 'repository'));
    for (const path of ['/tmp/never-made', join(world.daemon.root, 'out', 'never-made')]) {
      expect(await call('POST', '/projects', { path })).toMatchObject(refused(403, 'PERMISSION_DENIED', 'path'));
    }
    expect(existsSync('/tmp/never-made')).toBe(false);
    const hooks = { path: join(world.daemon.root, 'repository', '.git', 'hooks') };
    expect(await call('POST', '/projects', hooks)).toMatchObject(refused(403, 'PERMISSION_DENIED', 'path'));
    expect(existsSync(hooks.path)).toBe(false);
  });

  test.each<[object, string]>([
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: '..' }, 'name'],
    [{ name: 'a/b' }, 'name'],
    [{ name: 'x'.repeat(101) }, 'name'],
    [{ path: 7 }, 'path'],
  ])('%j is refused', async (body, field) => {
    expect(await call('POST', '/projects', body)).toMatchObject(refused(400, 'INVALID_REQUEST', field));
  });

  test('bounds of a list are named', async () => {
    for (const [query, field] of [
      ['limit=0', 'limit'],
      ['limit=201', 'limit'],
      ['offset=-1', 'offset'],
      ['limit=x', 'limit'],
      ['cursor=', 'cursor'],
      ['cursor=nonsense', 'cursor'],
      [`cursor=${Buffer.from('["projects",1,"x"] ').toString('base64url')}`, 'cursor'],
      [`cursor=${'x'.repeat(6001)}`, 'cursor'],
      ['cursor=MQ&offset=0', 'cursor'],
    ]) {
      expect(await call('GET', `/projects?${query}`)).toMatchObject(refused(400, 'INVALID_REQUEST', String(field)));
    }
  });

  test('an id that was never given leads nowhere', async () => {
    const outside = `proj_${Buffer.from('/etc').toString('base64url')}`;
    expect(await call('GET', '/projects/none')).toMatchObject(refused(404, 'PROJECT_NOT_FOUND', 'id'));
    expect(await call('GET', `/projects/${outside}`)).toMatchObject(refused(403, 'PERMISSION_DENIED', 'id'));
  });
});

describe('sessions', () => {
  let project: Project;
  let session: SessionObject;
  beforeAll(async () => {
    project = projectSchema.parse((await call('POST', '/projects', { name: 'of-sessions' })).body);
    const opened = { project_id: project.id, title: 'Initial setup', system_prompt: 'Be an assistant.' };
    const answer = await call('POST', '/sessions', opened);
    expect(answer.status).toBe(201);
    session = sessionObjectSchema.strict().parse(answer.body);
  });

  test('are opened in a project, and continued by a chat', async () => {
    expect(session).toMatchObject({
      project_id: project.id,
      title: 'Initial setup',
      system_prompt: 'Be an assistant.',
      turn_count: 0,
      total_tokens: 0,
    });
    const again = await call('POST', '/sessions', { project_id: project.id });
    expect(again).toMatchObject({ status: 200, body: { id: session.id } });
    const messages = [{ role: 'user' as const, content: scenario({ text: 'Hi.' }) }];
    const more = { session_id: session.id };
    const { usage } = await client.chat.completions.create({ model: 'default', messages, ...more });
    const { body } = await call('GET', `/sessions/${session.id}`);
    const after = sessionObjectSchema.strict().parse(body);
    expect(after).toMatchObject({ turn_count: 1, total_tokens: usage?.total_tokens });
    expect(after.message_count).toBeGreaterThan(1);
  });

  test('have stats of the turns that were', async () => {
    const before = sessionStatsSchema.strict().parse((await call('GET', '/sessions/stats')).body);
    const messages = [{ role: 'user' as const, content: scenario({ text: 'Counted.' }) }];
    const more = { session_id: session.id };
    const { usage, ...rest } = await client.chat.completions.create({ model: 'default', messages, ...more });
    const after = sessionStatsSchema.parse((await call('GET', '/sessions/stats')).body);
    expect(after.total_turns).toBe(before.total_turns + 1);
    expect(after.total_tokens).toBe(before.total_tokens + Number(usage?.total_tokens));
    expect(after.output_tokens).toBe(before.output_tokens + Number(usage?.completion_tokens));
    const { cost } = rest as unknown as { cost: number };
    expect(after.total_cost).toBeCloseTo(before.total_cost + cost, 9);
  });

  test('are listed, of one project too, and ended', async () => {
    const { sessions } = sessionObjectsSchema.parse((await call('GET', `/sessions?project_id=${project.id}`)).body);
    expect(sessions.map(({ id }) => id)).toEqual([session.id]);
    const listed = projectsSchema.parse((await call('GET', '/projects')).body).projects;
    expect(listed.find(({ id }) => id === project.id)).toMatchObject({ session_id: session.id });
    const ended = await call('DELETE', `/sessions/${session.id}`);
    expect(ended).toMatchObject({ status: 200, body: { id: session.id, status: 'closed', is_active: false } });
    expect(await call('GET', '/sessions/none')).toMatchObject({
      status: 404,
      body: { error: { code: 'SESSION_NOT_FOUND' } },
    });
  });

  test('a project is forgotten when its name confirms it, and its files stay', async () => {
    const path = `/projects/${project.id}`;
    expect(await call('DELETE', path)).toMatchObject(refused(400, 'INVALID_REQUEST', 'confirm'));
    expect(await call('DELETE', `${path}?confirm=other`)).toMatchObject(refused(400, 'INVALID_REQUEST', 'confirm'));
    const forgotten = await call('DELETE', `${path}?confirm=${basename(project.path)}`);
    expect(forgotten).toEqual({ status: 200, body: { id: project.id, object: 'project', deleted: true } });
    const isGone = async () => (await call('GET', `/sessions/${session.id}`)).status === 404;
    await waitUntil('the record is removed', isGone);
    expect(existsSync(project.path)).toBe(true);
  });

  test.each<[object, string, string]>([
    [{}, 'INVALID_REQUEST', 'project_id'],
    [{ project_id: 'none' }, 'PROJECT_NOT_FOUND', 'project_id'],
    [{ project_id: 'x', model: '-x' }, 'INVALID_REQUEST', 'model'],
    [{ project_id: 'x', title: 'a\nb' }, 'INVALID_REQUEST', 'title'],
  ])('%j is refused', async (body, code, param) => {
    expect((await call('POST', '/sessions', body)).body).toMatchObject({ error: { code, param } });
  });
});
