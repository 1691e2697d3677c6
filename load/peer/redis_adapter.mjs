// node-oidc-provider's storage in Redis, after the contract of its documentation ("adapter") and with the commands of
// its published Redis example, in one respect kinder: the lifetime of a grant's list of tokens is set in the same
// round trip (EXPIRE NX, EXPIRE GT) instead of being asked for first.

import Redis from 'ioredis';

const WITH_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);
const CONSUMABLE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);

// Commands of one tick go out together, as they do on our side of the comparison.
const redis = new Redis(process.env.PEER_REDIS_URL, { keyPrefix: 'oidc:', enableAutoPipelining: true });

const grantKey = (id) => `grant:${id}`;
const uidKey = (uid) => `uid:${uid}`;

export class RedisAdapter {
  constructor(name) {
    this.name = name;
  }

  key(id) {
    return `${this.name}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const text = JSON.stringify(payload);
    const multi = redis.multi();
    if (CONSUMABLE.has(this.name)) {
      multi.hset(key, 'payload', text);
      if (expiresIn) multi.expire(key, expiresIn);
    } else if (expiresIn) {
      multi.set(key, text, 'EX', expiresIn);
    } else {
      multi.set(key, text);
    }
    if (WITH_GRANT.has(this.name) && payload.grantId) {
      const list = grantKey(payload.grantId);
      multi.rpush(list, key);
      if (expiresIn) {
        multi.expire(list, expiresIn, 'NX');
        multi.expire(list, expiresIn, 'GT');
      }
    }
    if (payload.uid) {
      if (expiresIn) multi.set(uidKey(payload.uid), id, 'EX', expiresIn);
      else multi.set(uidKey(payload.uid), id);
    }
    await multi.exec();
  }

  async find(id) {
    const key = this.key(id);
    if (!CONSUMABLE.has(this.name)) {
      const text = await redis.get(key);
      return text ? JSON.parse(text) : undefined;
    }
    const { payload, ...rest } = await redis.hgetall(key);
    return payload ? { ...JSON.parse(payload), ...rest } : undefined;
  }

  async findByUid(uid) {
    const id = await redis.get(uidKey(uid));
    return id ? this.find(id) : undefined;
  }

  async findByUserCode() {
    return undefined; // the device flow is not offered here
  }

  async consume(id) {
    await redis.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000));
  }

  async destroy(id) {
    await redis.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const tokens = await redis.lrange(grantKey(grantId), 0, -1);
    const multi = redis.multi();
    for (const token of tokens) multi.del(token);
    multi.del(grantKey(grantId));
    await multi.exec();
  }
}
